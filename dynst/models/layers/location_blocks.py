"""Rounds of messages among all locations, the switched-off ones included."""

from torch import Tensor, nn

from dynst.models.layers.gated_aggregation import scores_by_product, widened
from dynst.models.layers.graph_block import GraphBlock
from dynst.models.protocol import Aggregation, Shape, Topology

__all__ = ["LocationBlocks"]

SHARPEST = 20.0  # of the first head; each next one attends more widely


class LocationBlocks(nn.Module):
    """Residual blocks over the states of all locations, on and off.

    The known graph is that of the topology; the heads of the learned one attend by the embeddings
    of the locations, whatever they read. Gates play no part: the states that come in are gated.

    Args:
        shape: of the forecaster.
        topology: of all locations.
        embedding: width of a location's embedding.
        blocks: how many.
        heads: of the learned graph, which share the states out among them.
    """

    def __init__(
        self, shape: Shape, topology: Topology, embedding: int, blocks: int, heads: int
    ) -> None:
        super().__init__()
        self.topology, self.heads = topology, heads
        sharpness = [SHARPEST / 2**head for head in range(heads)]
        self.query, self.key = (
            scores_by_product(embedding, sharpness),
            scores_by_product(embedding, sharpness),
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
        query, key = (
            scores(embedding).unflatten(-1, (self.heads, -1)).transpose(0, 1)  # [heads, L, E]
            for scores in (self.query, self.key)
        )
        attention = neighborhood.attend(query, key)
        learned = self._by_head(attention)
        for block in self.blocks:
            state = block(state, known, learned)
        return widened(state)

    def _by_head(self, attention: Aggregation) -> Aggregation:
        """Each head aggregates its part of the states."""

        def aggregate(state: Tensor) -> Tensor:
            values = state.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, heads, L, D/heads]
            return attention(values).transpose(1, 2).flatten(2)

        return aggregate
