"""Attention of every location to the active sensors: by location, whatever they read."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dynst.models.layers.gated_aggregation import scores_by_product
from dynst.models.protocol import HeadAggregation, Shape, Topology
from dynst.models.renamed import read_old_names

__all__ = ["LocationAttention", "last_reading"]

SHARPEST = 40.0  # of the first head; each next one attends more widely


class LocationAttention(nn.Module):
    """Attention of all locations to the active sensors, by location embeddings and proximity.

    The values are each readout's own.

    The weights do not depend on the readings: they are computed once for a batch, and the
    aggregate is linear in the values.
    """

    def __init__(
        self, shape: Shape, topology: Topology, location_embedding: Tensor, heads: int
    ) -> None:
        """``location_embedding [S, E]`` is what the embeddings begin as.

        Each location attends most to those with a large dot product.
        """
        super().__init__()
        embedding = location_embedding.shape[1]
        self.shape, self.heads = shape, heads
        self.topology = topology
        self.location_embedding = nn.Parameter(location_embedding.clone())
        sharpness = [SHARPEST / 2**head for head in range(heads)]
        self.query, self.key = (
            scores_by_product(embedding, sharpness),
            scores_by_product(embedding, sharpness),
        )
        self.proximity_weight = nn.Parameter(torch.full((heads, 1, 1), 2.0))
        read_old_names(self, {"location": "location_embedding", "nearness": "proximity_weight"})

    def head_aggregation(
        self, sensors: Tensor, gates: Tensor | None, locations: Tensor | None = None
    ) -> HeadAggregation:
        """Attention of all locations, or of these, to the active sensors."""
        query = (
            self.query(self.embeddings_of(locations))
            .unflatten(-1, (self.heads, -1))
            .transpose(0, 1)
        )  # [heads, L, E]
        key = (
            self.key(self.location_embedding[sensors])
            .unflatten(-1, (self.heads, -1))
            .transpose(0, 1)
        )  # [heads, K, E]
        return self.topology.sensor_to_location(sensors, gates, locations).attend_by_head(
            query, key, self.proximity_weight
        )

    def embeddings_of(self, locations: Tensor | None) -> Tensor:
        """The embeddings of all locations, or of these, ``[L, E]``."""
        return self.location_embedding if locations is None else self.location_embedding[locations]

    def located(self, sensors: Tensor, locations: Tensor | None) -> tuple[Tensor, Tensor | slice]:
        """Where the sensors stand among the locations that are forecast, ``[≤ K]``, and which of
        them do.
        """
        if locations is None:
            return sensors, slice(None)
        place = sensors.new_full((self.shape.num_sensors,), -1)
        place[locations] = torch.arange(len(locations), device=sensors.device)
        inside = (place[sensors] >= 0).nonzero().squeeze(1)
        return place[sensors[inside]], inside


def last_reading(shape: Shape, targets: Sequence[int]) -> nn.Linear:
    """From a stream-morphed window to all horizon steps.

    Begins as the last reading of each target.
    """
    linear = nn.Linear(
        shape.window * 2 * shape.num_channels, shape.horizon * shape.num_targets, bias=False
    )
    last_step = (shape.window - 1) * 2 * shape.num_channels
    with torch.no_grad():
        linear.weight.zero_()
        for output in range(linear.out_features):
            linear.weight[output, last_step + targets[output % shape.num_targets]] = 1.0
    return linear
