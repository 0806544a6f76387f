"""Windows as index views over one resident series: nothing is materialised per sample, a batch is
copied in blocks of rows.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from dynst.data.gather import window_rows
from dynst.data.mapped_series import MappedSeries
from dynst.data.series import Series
from dynst.devices import CPU, to_device
from dynst.errors import ConfigError
from dynst.wording import counted

__all__ = [
    "Batch",
    "ForecastInputs",
    "Splits",
    "Windows",
    "chronological_splits",
    "split_windows",
    "window_starts",
]


class ForecastInputs(NamedTuple):
    """What a forecaster reads, on its device.

    Sensors that are off are absent: their readings are not an input.

    Args:
        readings: ``[B, T, K, C]`` float, scaled; unobserved values are 0.
        observed: ``[B, T, K, C]`` bool.
        calendar: ``[B, F]`` float, of the first forecast step.
        sensors: ``[K]`` int64, which of all S sensors the K are.
        gates: ``[K]`` float in 0..1, the weight of each sensor's messages; None means all 1.
        locations: ``[L]`` int64, where forecasts are asked for; None means all S.
        among: ``[M]`` int64 ascending, of a part of the network, its locations and their halo: no
            other location plays a part in the forecasts of ``locations``; None means all S.
    """

    readings: Tensor
    observed: Tensor
    calendar: Tensor
    sensors: Tensor
    gates: Tensor | None = None
    locations: Tensor | None = None
    among: Tensor | None = None


@dataclass(frozen=True)
class Batch:
    """What a forecaster reads and what its forecasts are compared with, on one device.

    Sensors that are off are absent from ``readings``.

    Copies that share nothing with the series. The masks of a complete series are one True,
    expanded: to be read only.
    """

    readings: Tensor  # [B, T, K, C]
    observed: Tensor  # [B, T, K, C] bool
    calendar: Tensor  # [B, F] of the first forecast step
    sensors: Tensor  # [K] int64, which it reads
    target: Tensor  # [B, H, L, len(targets)], L = S where nothing else was asked for
    target_observed: Tensor  # [B, H, L, len(targets)] bool

    def on(self, device: torch.device) -> "Batch":
        return Batch(**{name: to_device(values, device) for name, values in vars(self).items()})

    def inputs(
        self, gates: Tensor | None = None, locations: Tensor | None = None
    ) -> ForecastInputs:
        """What a forecaster reads of the batch; ``gates`` and ``locations`` on its device."""
        return ForecastInputs(
            self.readings, self.observed, self.calendar, self.sensors, gates, locations
        )


@dataclass(frozen=True)
class Windows:
    """Which rows of a series are read and forecast.

    Indices are in main memory, wherever the readings are. With ``lead`` 0 the first target is the
    present, the last step that is read: of the sensors that are off alone, since the others' is
    among what is read.
    """

    series: Series | MappedSeries
    starts: Tensor  # [M] int64, the first row of each window
    window: int
    horizon: int
    targets: Tensor  # [·] int64, channels to forecast
    device: torch.device = CPU  # where batches are asked for
    lead: Literal[0, 1] = 1  # steps from the last that is read to the first target

    def __len__(self) -> int:
        return len(self.starts)

    def on(self, device: torch.device) -> "Windows":
        """The same windows, whose batches are on ``device``.

        Their readings too, where they have room there.
        """
        return (
            self
            if device == self.device
            else replace(self, series=self.series.on(device), device=device)
        )

    def from_present(self) -> "Windows":
        """The same windows, whose targets begin with the present."""
        return replace(self, horizon=self.horizon + 1, lead=0)

    def at_present(self) -> "Windows":
        """The same windows with the present as the only target."""
        return replace(self, horizon=1, lead=0)

    def batch(self, index: Tensor, sensors: Tensor, locations: Tensor | None = None) -> Batch:
        """Copy the windows ``index [B]`` for the active ``sensors [K]``.

        Targets are those of all locations, or of ``locations``. All three indices lie in main
        memory.
        """
        series, first = self.series, to_device(self.starts[index], self.series.device)
        calendar, own = series.calendar[first + self.window], to_device(sensors, series.device)
        readings, observed = series.past(first, self.window, own)
        asked = first + self._first_target
        target, target_observed = series.ahead(asked, self.horizon, self.targets, locations)
        if not self.lead:
            target_observed = _without_own(target_observed, _places(sensors, locations))
        return Batch(readings, observed, calendar, own, target, target_observed).on(self.device)

    def num_observed(
        self, index: Tensor, sensors: Tensor, locations: Tensor | None = None
    ) -> Tensor:
        """Entries to forecast in the windows ``index`` that were observed, as their batch would
        count them.
        """
        asked = to_device(self.starts[index], self.series.device) + self._first_target
        found = self.series.num_observed(asked, self.horizon, self.targets, locations)
        if self.lead:
            return found
        own = sensors if locations is None else locations[_places(sensors, locations)]
        return found - self.series.num_observed(asked, 1, self.targets, own)

    def target_times(self, index: Tensor) -> Tensor:
        """Times of the targets ``[B, H]``, where batches are."""
        rows = window_rows(self.starts[index] + self._first_target, self.horizon)
        return to_device(self.series.time[rows], self.device)

    @property
    def _first_target(self) -> int:
        """Rows after the first of a window."""
        return self.window + self.lead - 1


def _places(sensors: Tensor, locations: Tensor | None) -> Tensor:
    """Of those ``sensors`` that are among ``locations``, where they stand there."""
    return sensors if locations is None else torch.isin(locations, sensors).nonzero().squeeze(1)


def _without_own(observed: Tensor, places: Tensor) -> Tensor:
    """``[B, H, L, C]`` without the first step at ``places``; a copy."""
    others = observed.clone(memory_format=torch.contiguous_format)
    others[:, 0, to_device(places, observed.device)] = False
    return others


@dataclass(frozen=True)
class Splits:
    """Chronological parts of the series as row ranges; the test part is read once, at the end."""

    train: slice
    val: slice
    test: slice


def chronological_splits(
    num_steps: int, shares: tuple[float, float, float] = (0.7, 0.1, 0.2)
) -> Splits:
    if min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise ConfigError(
            f"data.split must be three positive shares that add up to 1, but got {list(shares)}"
        )
    first, second = round(num_steps * shares[0]), round(num_steps * (shares[0] + shares[1]))
    return Splits(slice(0, first), slice(first, second), slice(second, num_steps))


def window_starts(
    time: Tensor,
    rows: slice,
    window: int,
    horizon: int,
    part: str = "",
    label: Callable[[int], str] = str,
) -> Tensor:
    """First rows of all windows that lie wholly inside ``rows`` and cross no gap in ``time [N]``.

    Args:
        time: of all steps.
        rows: of the part of the series.
        window: number of steps that are read.
        horizon: number of steps that are forecast.
        part: how a message names the rows.
        label: how it names a time.

    Raises:
        ConfigError: not one such window exists.
    """
    span = window + horizon
    step = int(torch.diff(time).mode().values)
    starts = torch.arange(rows.start, max(rows.start, rows.stop - span + 1))
    unbroken = time[starts + span - 1] - time[starts] == (span - 1) * step
    starts = starts[unbroken]
    if not len(starts):
        own = time[rows]
        longest = _longest_run(own, step)
        times = f" ({label(int(own[0]))} to {label(int(own[-1]))})" if len(own) else ""
        gaps = f", of which {longest} follow each other without a gap" * (longest < len(own))
        raise ConfigError(
            f"no window of {window} + {horizon} steps fits into "
            f"{part or f'rows {rows.start}..{rows.stop - 1}'}, which has "
            f"{counted(len(own), 'step')}{times}{gaps}; model.window + model.horizon must be "
            f"at most {longest}, or bring a longer series, or give this part more of it "
            f"with data.split"
        )
    return starts


def _longest_run(time: Tensor, step: int) -> int:
    """How many steps follow each other without a gap."""
    breaks = torch.nonzero(torch.diff(time) != step).flatten() + 1
    ends = torch.tensor([0, *breaks.tolist(), len(time)])
    return int(torch.diff(ends).max())


def split_windows(
    series: Series | MappedSeries, rows: slice, window: int, horizon: int, targets: list[int]
) -> Windows:
    """The windows of one part of the series; see ``window_starts``."""
    return Windows(
        series,
        window_starts(series.time, rows, window, horizon),
        window,
        horizon,
        torch.tensor(targets),
    )
