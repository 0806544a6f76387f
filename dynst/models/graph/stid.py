"""STID: each sensor alone, distinguished by its identity and the calendar."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from dynst.models.protocol import Shape, Traits
from dynst.models.renamed import read_old_names

__all__ = ["Stid"]


class Stid(nn.Module):
    """A perceptron with residual blocks over window, identity and calendar (Shao et al. 2022).

    No sensor receives messages from another here. A location that is off attends to the others in
    the readout, as it does with every backbone. The three embeddings are added instead of laid
    side by side, so that each has the full width. The published form is the special case in which
    each keeps to its own columns.
    """

    traits = Traits(compact=True)

    def __init__(
        self,
        shape: Shape,
        num_calendar: int,
        node_embedding: Tensor,
        *,
        blocks: Annotated[int, Field(ge=1)] = 3,
    ) -> None:
        """``node_embedding [S, E]`` is what the embeddings begin as."""
        super().__init__()
        hidden = shape.hidden
        self.node_embedding = nn.Parameter(node_embedding.clone())
        self.encode = nn.Linear(shape.window * 2 * shape.num_channels, hidden)
        self.encode_embedding = nn.Linear(node_embedding.shape[1], hidden, bias=False)
        read_old_names(self, {"identity": "node_embedding", "encode_identity": "encode_embedding"})
        self.encode_calendar = nn.Linear(num_calendar, hidden, bias=False)
        self.blocks = nn.ModuleList(_block(hidden) for _ in range(blocks))

    def forward(
        self, morphed: Tensor, calendar: Tensor, sensors: Tensor, gates: Tensor | None
    ) -> Tensor:
        embedding = self.encode_embedding(self.node_embedding[sensors])  # [K, D]
        # [B, K, D]
        hidden: Tensor = self.encode(morphed) + embedding + self.encode_calendar(calendar)[:, None]
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return hidden


def _block(hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
