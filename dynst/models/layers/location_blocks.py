"""Rounds of messages among all locations, the switched-off ones included."""

from torch import Tensor, nn

from dynst.models.layers.gated_aggregation import scores_by_product, widened
from dynst.models.layers.graph_block import GraphBlock
from dynst.models.protocol import Shape, Topology

__all__ = ["LocationBlocks"]

SHARPNESS = 5.0


class LocationBlocks(nn.Module):
    """Residual blocks over the states of all locations, on and off.

    The known graph is that of the topology; the learned one attends by the embeddings of the
    locations, whatever they read. Gates play no part: the states that come in are gated.

    Args:
        shape: of the forecaster.
        topology: of all locations.
        embedding: width of a location's embedding.
        blocks: how many.
    """

    def __init__(self, shape: Shape, topology: Topology, embedding: int, blocks: int) -> None:
        super().__init__()
        self.topology = topology
        self.query, self.key = (
            scores_by_product(embedding, [SHARPNESS]),
            scores_by_product(embedding, [SHARPNESS]),
        )
        self.blocks = nn.ModuleList(
            GraphBlock(shape.hidden, starts_at_zero=True) for _ in range(blocks)
        )

    def forward(self, state: Tensor, embedding: Tensor, locations: Tensor) -> Tensor:
        """``state [B, L, D]`` to the same; ``embedding [L, E]`` of the ``locations [L]``, which
        exchange messages with one another alone.
        """
        neighborhood = self.topology.sensor_to_sensor(locations, None)
        known = neighborhood.average()
        learned = neighborhood.attend(self.query(embedding), self.key(embedding))
        for block in self.blocks:
            state = block(state, known, learned)
        return widened(state)
