"""Masked errors, kept apart for every horizon step and location, so that any group of sensors can
be asked about later.
"""

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from dynst.devices import to_cpu, to_device

__all__ = ["ErrorTable", "masked_mae"]


def masked_mae(
    forecast: Tensor, target: Tensor, observed: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Weighted absolute error summed over the observed entries, in float64, and their number.

    Args:
        forecast: ``[B, H, S, C]``, scaled.
        target: ``[B, H, S, C]``, scaled.
        observed: ``[B, H, S, C]`` bool.
        weight: ``[S, C]``, brings scaled errors to a common unit.
    """
    error = (forecast - target).abs() * weight
    return (error * observed).sum(dtype=torch.float64), observed.sum()


@dataclass(frozen=True)
class ErrorTable:
    """Errors of many windows, for every horizon step, location and channel.

    All sums are ``[H, S, C]`` float64, errors of a channel in its own unit. Tables of several ranks
    add up.

    With several channels an error is the mean over all of them, each converted to the unit of the
    first by ``weight``: what the training minimises. ``only`` gives a single channel in its own
    unit.

    Args:
        weight: ``[C]``, brings a channel to the unit of the first, whose weight is 1.
        absolute: sum of absolute errors.
        squared: sum of squared errors, in the square of the unit.
        truth: sum of absolute true readings.
        count: observed entries.
        relative: sum of absolute error over absolute truth, without a unit, where the truth is not
            zero.
        nonzero: observed entries whose truth is not zero.

    Example:
        >>> table = ErrorTable.zeros(horizon=1, num_sensors=2, num_channels=1)
        >>> error, truth = torch.tensor([[[[1.0], [3.0]]]]), torch.full((1, 1, 2, 1), 10.0)
        >>> table.add(error, truth, torch.ones_like(error, dtype=torch.bool))
        >>> table.mae(), table.mae(torch.tensor([False, True]))
        (2.0, 3.0)
    """

    weight: Tensor
    absolute: Tensor
    squared: Tensor
    truth: Tensor
    count: Tensor
    relative: Tensor
    nonzero: Tensor

    @classmethod
    def zeros(
        cls, horizon: int, num_sensors: int, num_channels: int, weight: Tensor | None = None
    ) -> "ErrorTable":
        """An empty table, on the device of ``weight``.

        Args:
            horizon: steps that are forecast.
            num_sensors: locations.
            num_channels: channels that are forecast.
            weight: ``[C]``, see the class; by default 1 each.
        """
        weight = torch.ones(num_channels) if weight is None else weight
        sums = (
            weight.new_zeros(horizon, num_sensors, num_channels, dtype=torch.float64)
            for _ in range(6)
        )
        return cls(weight.double(), *sums)

    def to_cpu(self) -> "ErrorTable":
        """In main memory, where any figure may be asked for."""
        return ErrorTable(**to_cpu(vars(self)))

    @property
    def sums(self) -> tuple[Tensor, ...]:
        """All that adds up over windows and ranks."""
        return self.absolute, self.squared, self.truth, self.count, self.relative, self.nonzero

    def add(
        self, error: Tensor, truth: Tensor, observed: Tensor, zero: Tensor | None = None
    ) -> None:
        """Add a batch of windows, in raw units.

        Args:
            error: ``[B, H, S, C]``, forecast minus truth.
            truth: ``[B, H, S, C]``.
            observed: ``[B, H, S, C]`` bool, the entries that count.
            zero: ``[B, H, S, C]`` bool, where the truth counts as zero; by default where it is 0.
        """
        error, truth = error.double() * observed, truth.double().abs() * observed
        nonzero = observed & (truth != 0 if zero is None else ~zero)
        self.absolute.add_(error.abs().sum(0))
        self.squared.add_(error.square().sum(0))
        self.truth.add_(truth.sum(0))
        self.count.add_(observed.sum(0))
        self.relative.add_((error.abs() / truth).where(nonzero, 0.0).sum(0))
        self.nonzero.add_(nonzero.sum(0))

    def spread(self, locations: Tensor, num_sensors: int) -> "ErrorTable":
        """The same errors in a table of ``num_sensors`` locations, nothing counted elsewhere.

        Args:
            locations: ``[S]``, which of them this table's are.
            num_sensors: of the larger table.
        """
        horizon, _, channels = self.count.shape
        larger = ErrorTable.zeros(horizon, num_sensors, channels, self.weight)
        for whole, part in zip(larger.sums, self.sums, strict=True):
            whole[:, to_device(locations, whole.device)] = part
        return larger

    def only(self, channel: int) -> "ErrorTable":
        """The errors of one channel, in its own unit.

        Args:
            channel: its index.
        """
        sums = (part[..., channel : channel + 1] for part in self.sums)
        return ErrorTable(torch.ones(1, dtype=torch.float64), *sums)

    def by_quantity(self, quantity: Tensor) -> "ErrorTable":
        """One channel for each quantity: the cells of a patch add up.

        Args:
            quantity: ``[C]`` int, which quantity each channel measures; the first to appear comes
                first.
        """
        first = [index for index, own in enumerate(quantity) if own not in quantity[:index]]
        if len(first) == len(quantity):
            return self
        sums = (
            torch.stack([part[..., quantity == quantity[index]].sum(-1) for index in first], -1)
            for part in self.sums
        )
        return ErrorTable(self.weight[first], *sums)

    def mae(self, sensors: Tensor | None = None, step: int | None = None) -> float:
        """Mean absolute error, in the unit of the first channel.

        Args:
            sensors: bool ``[S]``, the locations that count; all by default.
            step: index of a horizon step; all of them by default.

        Returns:
            NaN where nothing was observed.
        """
        return self._ratio(self.absolute * self.weight, self.count, sensors, step)

    def rmse(self, sensors: Tensor | None = None, step: int | None = None) -> float:
        """Root of the mean squared error, in the unit of the first channel.

        Args:
            sensors: as for ``mae``.
            step: as for ``mae``.

        Returns:
            NaN where nothing was observed.
        """
        return sqrt(self._ratio(self.squared * self.weight.square(), self.count, sensors, step))

    def wape(self, sensors: Tensor | None = None, step: int | None = None) -> float:
        """Absolute error as a fraction of the absolute truth, so that zeros do no harm.

        Args:
            sensors: as for ``mae``.
            step: as for ``mae``.

        Returns:
            A fraction, 0.1 is 10 %; NaN where nothing was observed.
        """
        return self._ratio(self.absolute * self.weight, self.truth * self.weight, sensors, step)

    def mape(self, sensors: Tensor | None = None, step: int | None = None) -> float:
        """Mean of |error| / |truth| where the truth is not zero, as a fraction: 0.1 is 10 %.

        Small truths weigh heavily: where readings come near zero, WAPE says more.

        Args:
            sensors: as for ``mae``.
            step: as for ``mae``.

        Returns:
            NaN where no truth other than zero was observed.
        """
        return self._ratio(self.relative, self.nonzero, sensors, step)

    def num_observed(self, sensors: Tensor | None = None, step: int | None = None) -> int:
        """Entries that were observed and forecast.

        Args:
            sensors: as for ``mae``.
            step: as for ``mae``.
        """
        return int(_sum(self.count, sensors, step))

    def mae_by_sensor(self) -> Tensor:
        """Mean absolute error at each location, ``[S]`` float64 in the unit of the first channel.

        NaN for a sensor that was never observed.
        """
        return (self.absolute * self.weight).sum((0, 2)) / self.count.sum((0, 2))

    @staticmethod
    def _ratio(over: Tensor, under: Tensor, sensors: Tensor | None, step: int | None) -> float:
        return float((_sum(over, sensors, step) / _sum(under, sensors, step)).item())


def _sum(values: Tensor, sensors: Tensor | None, step: int | None) -> Tensor:
    steps = slice(None) if step is None else slice(step, step + 1)
    return values[steps][:, slice(None) if sensors is None else sensors].sum()
