"""Readings of a dataset, a bounded part at once: valid ranges are kept, versions put together."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from dynst.data.importers.formats.netcdf.fill_values import Marks, marks_of
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.source import BLOCK_BYTES, Block
from dynst.errors import DataError

__all__ = ["EXPVER", "Readings"]

EXPVER = "expver"  # of ERA5: final data, and preliminary ones of the last months


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
    marks: dict[str, Marks] = field(init=False)
    outside: dict[str, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.marks = {name: marks_of(self.data.variables[name]) for name in self.names}

    def blocks(self) -> Iterator[Block]:
        """Times and readings, the latter ``[N, S, C]`` with NaN for what is missing."""
        self.outside = dict.fromkeys(self.names, 0)
        seen = dict.fromkeys(self.names, 0)
        cells = int(np.prod([self.data.sizes[name] for name in self.along[1:]]))
        rows = max(1, BLOCK_BYTES // max(1, 8 * len(self.names) * cells))
        for first in range(0, len(self.time), rows):
            arrays = [self._read(self._cells(name, first, rows), name, seen) for name in self.names]
            yield self.time[first : first + rows], np.stack(arrays, axis=-1)
        for name, count in self.outside.items():
            if count and count == seen[name]:
                raise DataError(
                    f"every reading of '{name}' lies outside of the valid range that the file "
                    f"declares, {self.marks[name].text}; mend or remove valid_range in the file"
                )

    def _cells(self, name: str, first: int, rows: int) -> np.ndarray:
        """Readings as the file has them, of some times."""
        part = self.data[name].isel({self.along[0]: slice(first, first + rows)})
        values: np.ndarray = part.transpose(*self.along).to_numpy()
        return values

    def _read(self, values: np.ndarray, name: str, seen: dict[str, int]) -> np.ndarray:
        marks = self.marks[name]
        if marks.fills or marks.limits is not None:
            values, outside = marks.without(values)
            seen[name] += int(np.isfinite(values).sum()) + outside
            self.outside[name] += outside
        return self._one_version(name, values).reshape(len(values), -1)

    @property
    def versions(self) -> bool:
        """Whether preliminary and final data are to be put together."""
        return EXPVER in self.along

    def findings(self) -> tuple[Finding, ...]:
        """What is clear before any block is read."""
        zeros = [name for name in self.names if self.marks[name].zero]
        found = []
        if zeros:
            text = f"0 is missing in {', '.join(zeros)}, as the fill value says"
            found.append(assumed(text, "write the file without it if 0 is a reading"))
        for name in self.names:
            if self.marks[name].reversed:
                text = f"valid range of '{name}', {self.marks[name].reversed}, is the wrong way "
                found.append(assumed(f"{text}round and was ignored", "mend it in the file"))
        if self.versions:
            name = ", ".join(str(value) for value in self.data[EXPVER].values)
            text = f"expver {name} were put together: where one is missing, another has the reading"
            found.append(assumed(text, f"--select {EXPVER}=VALUE takes one"))
        return tuple(found)

    def late_findings(self) -> tuple[Finding, ...]:
        """What only the blocks showed."""
        return tuple(
            known(
                f"{count:,} readings of '{name}' lie outside of the valid range that the file "
                f"declares, {self.marks[name].text}, and are missing"
            )
            for name, count in self.outside.items()
            if count
        )

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
