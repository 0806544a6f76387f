"""A stream-morph graph network: the default backbone for sensor graphs."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from dynst.models.layers.gated_aggregation import scores_by_product
from dynst.models.layers.graph_block import GraphBlock
from dynst.models.protocol import Shape, Topology, Traits
from dynst.models.renamed import read_old_names

__all__ = ["MorphGraphNet"]

SHARPNESS = 5.0


class MorphGraphNet(nn.Module):
    """Each block aggregates over a known and a learned graph, then transforms each sensor alone.

    The learned graph is the adaptive adjacency of Graph WaveNet (Wu et al. 2019); the identity
    embeddings are those of STID (Shao et al. 2022).
    """

    traits = Traits(compact=True)

    def __init__(
        self,
        shape: Shape,
        topology: Topology,
        num_calendar: int,
        node_embedding: Tensor,
        *,
        blocks: Annotated[int, Field(ge=1)] = 2,
    ) -> None:
        """``node_embedding [S, E]`` is what the embeddings begin as.

        Where its dot products are large, sensors attend to one another.
        """
        super().__init__()
        hidden, embedding = shape.hidden, node_embedding.shape[1]
        self.topology = topology
        self.node_embedding = nn.Parameter(node_embedding.clone())
        self.encode = nn.Linear(shape.window * 2 * shape.num_channels, hidden)
        self.encode_embedding = nn.Linear(embedding, hidden, bias=False)
        read_old_names(self, {"identity": "node_embedding", "encode_identity": "encode_embedding"})
        self.encode_calendar = nn.Linear(num_calendar, hidden, bias=False)
        self.query, self.key = (
            scores_by_product(embedding, [SHARPNESS]),
            scores_by_product(embedding, [SHARPNESS]),
        )
        self.blocks = nn.ModuleList(GraphBlock(hidden) for _ in range(blocks))

    def forward(
        self, morphed: Tensor, calendar: Tensor, sensors: Tensor, gates: Tensor | None
    ) -> Tensor:
        embedding = self.node_embedding[sensors]  # [K, E]
        neighborhood = self.topology.sensor_to_sensor(sensors, gates)
        known, learned = (
            neighborhood.average(),
            neighborhood.attend(self.query(embedding), self.key(embedding)),
        )
        hidden: Tensor = (
            self.encode(morphed)
            + self.encode_embedding(embedding)
            + self.encode_calendar(calendar)[:, None]
        )  # [B, K, D]
        for block in self.blocks:
            hidden = block(hidden, known, learned)
        return hidden
