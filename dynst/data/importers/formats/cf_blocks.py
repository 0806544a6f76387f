"""Readings of a dataset, a bounded part at once: valid ranges are kept, versions put together."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.source import BLOCK_BYTES, Block
from dynst.errors import DataError

__all__ = ["EXPVER", "Readings"]

EXPVER = "expver"  # of ERA5: final data, and preliminary ones of the last months
Range = tuple[float, float]


@dataclass
class Readings:
    """The variables over time and places, to be read block by block.

    Args:
        data: the dataset.
        names: of the variables.
        along: time, the versions of ERA5 where there are any, and the places.
        time: ``[N]`` int64.
    """

    data: xr.Dataset
    names: Sequence[str]
    along: Sequence[Hashable]
    time: np.ndarray
    ranges: dict[str, Range] = field(init=False)
    outside: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        found = {name: _valid_range(self.data.variables[name]) for name in self.names}
        self.ranges = {name: limits for name, limits in found.items() if limits is not None}

    def blocks(self) -> Iterator[Block]:
        self.outside = dict.fromkeys(self.ranges, 0)
        whole = dict.fromkeys(self.ranges, 0)
        first_name = self.along[0]
        cells = int(np.prod([self.data.sizes[name] for name in self.along[1:]]))
        rows = max(1, BLOCK_BYTES // max(1, 8 * len(self.names) * cells))
        for first in range(0, len(self.time), rows):
            part = self.data.isel({first_name: slice(first, first + rows)})
            arrays = []
            for name in self.names:
                values = part[name].transpose(*self.along).to_numpy()
                if name in self.ranges:
                    whole[name] += int(np.isfinite(values).sum())
                    values = self._within(name, values)
                arrays.append(self._one_version(name, values).reshape(len(values), -1))
            yield self.time[first : first + rows], np.stack(arrays, axis=-1)
        for name, count in self.outside.items():
            if count and count == whole[name]:
                raise DataError(
                    f"every reading of '{name}' lies outside of the valid range that the file "
                    f"declares, {_shown(self.ranges[name])}; mend or remove valid_range in the file"
                )

    @property
    def versions(self) -> bool:
        """Whether preliminary and final data are to be put together."""
        return EXPVER in self.along

    def findings(self) -> tuple[Finding, ...]:
        """What is clear before any block is read."""
        if not self.versions:
            return ()
        name = ", ".join(str(value) for value in self.data[EXPVER].values)
        text = f"expver {name} were put together: where one is missing, another has the reading"
        return (assumed(text, f"--select {EXPVER}=VALUE takes one"),)

    def late_findings(self) -> tuple[Finding, ...]:
        """What only the blocks showed."""
        return tuple(
            known(
                f"{count:,} readings of '{name}' lie outside of the valid range that the file "
                f"declares, {_shown(self.ranges[name])}, and are missing"
            )
            for name, count in self.outside.items()
            if count
        )

    def _within(self, name: str, values: np.ndarray) -> np.ndarray:
        low, high = self.ranges[name]
        wrong = (values < low) | (values > high)
        if not wrong.any():
            return values
        self.outside[name] += int(wrong.sum())
        return np.where(wrong, np.nan, values)

    def _one_version(self, name: str, values: np.ndarray) -> np.ndarray:
        """``[N, V, ...]`` to ``[N, ...]``, where no reading has two values."""
        if not self.versions:
            return values
        joined = values[:, 0]
        for index in range(1, values.shape[1]):
            other = values[:, index]
            if (np.isfinite(joined) & np.isfinite(other) & (joined != other)).any():
                known_values = ", ".join(str(value) for value in self.data[EXPVER].values)
                raise DataError(
                    f"'{name}' has other readings for one {EXPVER} than for another at the same "
                    f"time ({known_values}); choose one with --select {EXPVER}=VALUE"
                )
            joined = np.where(np.isfinite(joined), joined, other)
        return joined


def _valid_range(variable: xr.Variable) -> Range | None:
    """The range that the file declares, in the unit of the readings.

    Of packed numbers it is in packed ones, unless it has the wider type of scale and offset.
    """
    attributes = variable.attrs
    pair = np.atleast_1d(attributes.get("valid_range", ()))
    low, high = (
        (pair[0], pair[1])
        if len(pair) == 2
        else (attributes.get("valid_min"), attributes.get("valid_max"))
    )
    limits = (_limit(low, variable), _limit(high, variable))
    if limits == (None, None):
        return None
    slack = abs(_number(variable.encoding.get("scale_factor"), 0.0)) / 4
    least = -np.inf if limits[0] is None else limits[0] - slack
    most = np.inf if limits[1] is None else limits[1] + slack
    return (least, most) if least <= most else None


def _limit(end: object, variable: xr.Variable) -> float | None:
    """One end of a range in the unit of the readings; None where it is no number."""
    value = np.asarray(end if end is not None else "")
    if value.dtype.kind not in "fiu" or value.size != 1:
        return None
    packing = variable.encoding
    number = float(value.reshape(-1)[0])
    if value.dtype.kind == "f":
        return float(np.float32(number)) if variable.dtype == np.float32 else number
    if number < 0 and str(packing.get("_Unsigned", "")).lower() == "true":
        number += 2 ** (8 * value.dtype.itemsize)
    return number * _number(packing.get("scale_factor"), 1.0) + _number(
        packing.get("add_offset"), 0.0
    )


def _number(value: object, default: float) -> float:
    return default if value is None else float(np.asarray(value).reshape(-1)[0])


def _shown(limits: Range) -> str:
    return f"{limits[0]:g} to {limits[1]:g}"
