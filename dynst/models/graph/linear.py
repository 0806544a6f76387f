"""The honest linear model: forecasts affine in the readings, for locations that are on and for
those that are off.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dynst.models.layers.gated_aggregation import widened
from dynst.models.layers.location_attention import LocationAttention, last_reading
from dynst.models.protocol import Shape, Topology, Traits
from dynst.models.renamed import read_old_names

__all__ = ["LinearModel", "LinearReadout"]

NEIGHBOUR_WEIGHT = 0.1  # on the others, of a location that is on, before anything is learned


class LinearReadout(LocationAttention):
    """Each active sensor extrapolates its own window, at first by its last reading.

    So do the linear models of Zeng et al. (2023). A location that is off aggregates the others'
    extrapolations. One that is on adds a share of that aggregate, learned for each horizon step,
    since what the neighbours see helps the later steps. Each
    location adds a constant for each step. The states of the backbone are not looked at.
    """

    def __init__(
        self,
        shape: Shape,
        topology: Topology,
        targets: Sequence[int],
        location_embedding: Tensor,
        *,
        heads: int = 4,
    ) -> None:
        """``location_embedding [S, E]`` is what the embeddings begin as.

        Each location attends most to those with a large dot product.
        """
        super().__init__(shape, topology, location_embedding, heads)
        steps = shape.horizon * shape.num_targets
        self.neighbour_weight = nn.Parameter(torch.full((steps,), NEIGHBOUR_WEIGHT))
        read_old_names(self, {"leaning": "neighbour_weight"})
        self.constant = nn.Parameter(torch.zeros(shape.num_sensors, steps))
        self.extrapolate = last_reading(shape, targets)

    def forward(
        self,
        hidden: Tensor,
        morphed: Tensor,
        sensors: Tensor,
        gates: Tensor | None,
        locations: Tensor | None = None,
    ) -> Tensor:
        """``morphed [B, K, T·2C]`` to scaled forecasts ``[B, H, L, targets]`` of all locations, or
        of these.
        """
        shape = self.shape
        extrapolated = self.extrapolate(morphed)  # [B, K, H·targets]
        guessed = (
            self.head_aggregation(sensors, gates, locations)
            .on_average(extrapolated[:, None])
            .squeeze(1)
        )  # [B, L, H·targets]
        here, which = self.located(sensors, locations)
        own = (1 - self.neighbour_weight) * (extrapolated[:, which] - guessed[:, here])
        on = own if gates is None else own * gates[which, None]
        constant = self.constant if locations is None else self.constant[locations]
        out: Tensor = widened(guessed).index_add(1, here, widened(on)) + constant
        return out.view(len(morphed), -1, shape.horizon, shape.num_targets).transpose(1, 2)


class LinearModel(nn.Module):
    """Hands the window on as it is: all of the model is in its readout."""

    traits = Traits(compact=True)
    readout = LinearReadout

    def forward(
        self, morphed: Tensor, calendar: Tensor, sensors: Tensor, gates: Tensor | None
    ) -> Tensor:
        return morphed
