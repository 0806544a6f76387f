"""A residual block over a known and a learned graph."""

import torch
from torch import Tensor, nn

from dynst.models.protocol import Aggregation

__all__ = ["GraphBlock"]


class GraphBlock(nn.Module):
    """Aggregates over both graphs, then transforms each sensor alone.

    Args:
        hidden: width of a state.
        starts_at_zero: the block changes nothing before it has learned something.
    """

    def __init__(self, hidden: int, *, starts_at_zero: bool = False) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.mix = nn.Linear(3 * hidden, hidden)
        self.out = nn.Linear(hidden, hidden)
        if starts_at_zero:
            nn.init.zeros_(self.out.weight)
            nn.init.zeros_(self.out.bias)

    def forward(self, hidden: Tensor, known: Aggregation, learned: Aggregation) -> Tensor:
        """``[B, L, D]`` to the same; both aggregations are of the L to one another."""
        state = self.norm(hidden)
        mixed = self.mix(torch.cat([state, known(state), learned(state)], dim=-1))
        change: Tensor = self.out(nn.functional.gelu(mixed))
        return hidden + change
