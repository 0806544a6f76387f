"""A forecaster of a network that is cut into parts: one part after another, so that the hidden
states of one part are held at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from dynst.data.partition import Subgraph
from dynst.data.windows import ForecastInputs
from dynst.devices import to_device
from dynst.models.forecaster import Reach, SparseForecaster

__all__ = ["ForecasterByParts"]


class ForecasterByParts(SparseForecaster):
    """Forecasts the locations of some parts of a network, each from the sensors of its part.

    Where no sensor of a part is on, its locations keep their seasonal profile.

    Its ``state_dict`` is that of ``model``.

    Args:
        model: of the sensors ``held``, by their places among these.
        parts: that are forecast, in numbers of the whole network.
        num_sensors: S, of the whole network.
        held: ``[M]`` ascending, the sensors that the model has rows of; None is all S.
    """

    def __init__(
        self,
        model: SparseForecaster,
        parts: Sequence[Subgraph],
        num_sensors: int,
        held: Tensor | None = None,
    ) -> None:
        of_parts = torch.cat([part.locations for part in parts])
        locations, order = of_parts.sort()
        scaler = model.scaler
        if held is not None:
            scaler = scaler.restricted(torch.searchsorted(held, locations))
        super().__init__(replace(model.shape, num_sensors=num_sensors), scaler)
        self.model, self.parts, self.held = model, tuple(parts), held
        self.reach = None if held is None else Reach(held, locations)
        self._order: Tensor  # [L], of each location its place when the parts lie one by one
        self.register_buffer("_order", order, persistent=False)

    def numbers(self, sensors: Tensor) -> Tensor:
        """``sensors`` of the whole network by their places among those held."""
        if self.held is None:
            return sensors
        return torch.searchsorted(self.held, sensors.cpu()).to(sensors.device)

    def forward(self, inputs: ForecastInputs) -> Tensor:
        """Scaled forecasts ``[B, H, L, targets]`` of all locations of the parts, ascending.

        Gradients compute the states of each part once more, instead of keeping those of all.
        """
        forecasts = [self._forecast(inputs, part) for part in self.parts]
        return torch.cat(forecasts, dim=2)[:, :, self._order]

    def at_present(self) -> "ForecasterByParts":
        return ForecasterByParts(
            self.model.at_present(), self.parts, self.shape.num_sensors, self.held
        )

    def reading(self, sensors: Tensor) -> "FixedReading":
        """The same as a module that reads just ``sensors [K]``, which can be exported."""
        return FixedReading(self, sensors)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        return self.model.state_dict(*args, **kwargs)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        return self.model.load_state_dict(state_dict, strict, assign)

    def _forecast(self, inputs: ForecastInputs, part: Subgraph) -> Tensor:
        chosen = to_device(_places(inputs.sensors, part), inputs.readings.device)
        on = len(chosen) if inputs.gates is None else (inputs.gates[chosen] > 0).any()
        if not on:
            return self.profile(inputs, len(part.locations))
        if not torch.is_grad_enabled():
            return self.of_part(inputs, part, chosen)
        found: Tensor = checkpoint(self.of_part, inputs, part, chosen, use_reentrant=False)
        return found

    def of_part(self, inputs: ForecastInputs, part: Subgraph, chosen: Tensor) -> Tensor:
        """Of the locations of ``part``, from those of the inputs' sensors that are ``chosen``."""
        read = inputs._replace(
            readings=inputs.readings[:, :, chosen],
            observed=inputs.observed[:, :, chosen],
            gates=None if inputs.gates is None else inputs.gates[chosen],
        )
        found: Tensor = self.model(self.numbered(read, inputs.sensors[chosen], part))
        return found

    def numbered(self, inputs: ForecastInputs, sensors: Tensor, part: Subgraph) -> ForecastInputs:
        """For the model: the sensors whose readings these are, and the part whose locations are
        asked for, in numbers of the whole network; nobody waits for the device where both are in
        main memory.
        """
        here, own, among = (
            to_device(self.numbers(values), inputs.readings.device)
            for values in (sensors, part.locations, part.sensors)
        )
        return inputs._replace(sensors=here, locations=own, among=among)

    def profile(self, inputs: ForecastInputs, count: int, steps: int | None = None) -> Tensor:
        """A scaled forecast of ``count`` locations that nobody reads anything for.

        Args:
            inputs: of which the number of windows and the device count.
            count: L.
            steps: by default the horizon.
        """
        shape = self.shape
        batch, steps = len(inputs.readings), steps or shape.horizon
        return inputs.readings.new_zeros(batch, steps, count, shape.num_targets)


class FixedReading(nn.Module):
    """A forecaster by parts that reads the same sensors each time: nothing is looked up."""

    def __init__(self, whole: ForecasterByParts, sensors: Tensor) -> None:
        super().__init__()
        self.whole = whole
        self._chosen = [_places(sensors, part) for part in whole.parts]

    def forward(self, inputs: ForecastInputs) -> Tensor:
        whole = self.whole
        forecasts = [
            whole.of_part(inputs, part, chosen)
            if len(chosen)
            else whole.profile(inputs, len(part.locations))
            for part, chosen in zip(whole.parts, self._chosen, strict=True)
        ]
        return torch.cat(forecasts, dim=2)[:, :, whole._order]


def _places(sensors: Tensor, part: Subgraph) -> Tensor:
    """Where ``sensors`` has those of the part."""
    return torch.isin(sensors.cpu(), part.sensors).nonzero().squeeze(1)
