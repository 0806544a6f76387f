"""What a variable declares to be no reading: fill values, and all outside of a valid range."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

__all__ = ["Marks", "marks_of"]

FILLS = ("missing_value", "_FillValue")


@dataclass(frozen=True)
class Marks:
    """Declarations of one variable, in the unit of its readings.

    Args:
        fills: values that mean missing.
        limits: of the valid range.
        slack: how far a packed number of the range may lie outside of it by rounding.
        zero: whether 0 is a fill value, as Zarr has it where nobody chose one.
        reversed: a range whose ends are the wrong way round, which holds nothing, in words.
    """

    fills: tuple[float, ...] = ()
    limits: tuple[float, float] | None = None
    slack: float = 0.0
    zero: bool = False
    reversed: str = ""

    @property
    def text(self) -> str:
        """The range in words."""
        low, high = self.limits or (-np.inf, np.inf)
        if np.isinf(low):
            return f"at most {high:g}"
        return f"at least {low:g}" if np.isinf(high) else f"{low:g} to {high:g}"

    def without(self, values: np.ndarray) -> tuple[np.ndarray, int]:
        """Values with NaN for all that is no reading, and how many lay outside of the range."""
        for fill in self.fills:
            hits = values == (np.float32(fill) if values.dtype == np.float32 else fill)
            values = np.where(hits, np.nan, values) if hits.any() else values
        if self.limits is None:
            return values, 0
        low, high = self.limits
        wrong = (values < low - self.slack) | (values > high + self.slack)
        count = int(wrong.sum())
        return (np.where(wrong, np.nan, values) if count else values), count


def marks_of(variable: xr.Variable) -> Marks:
    """The declarations of a variable that xarray has unpacked.

    It leaves what it does not understand: fill values as text, or of a wider type than the
    readings, and valid ranges. The range of packed numbers is one of packed numbers, unless it has
    the wider type of scale and offset.
    """
    packed = {"scale_factor", "add_offset"} & set(variable.encoding)
    scale = abs(_number(variable.encoding.get("scale_factor"), 0.0))
    fills = _fills(variable)
    limits = _limits(variable)
    wrong = limits is not None and limits[0] > limits[1]
    return Marks(
        () if packed else fills,
        None if wrong else limits,
        scale / 4,
        not packed and 0 in fills,
        f"{limits[0]:g} to {limits[1]:g}" if wrong and limits else "",
    )


def _fills(variable: xr.Variable) -> tuple[float, ...]:
    """As numbers; those of packed variables are packed too, and xarray compares them."""
    found = []
    for name in FILLS:
        for source in (variable.attrs, variable.encoding):
            for value in np.atleast_1d(np.asarray(source.get(name, ()))).ravel():
                try:
                    found.append(float(value))
                except ValueError:  # a text such as "none"
                    continue
    return tuple(dict.fromkeys(number for number in found if np.isfinite(number)))


def _limits(variable: xr.Variable) -> tuple[float, float] | None:
    pair = np.atleast_1d(np.asarray(variable.attrs.get("valid_range", ())))
    ends = (
        (pair[0], pair[1])
        if len(pair) == 2
        else (variable.attrs.get("valid_min"), variable.attrs.get("valid_max"))
    )
    low, high = (_limit(end, variable) for end in ends)
    if low is None and high is None:
        return None
    packed = any(np.asarray(end).dtype.kind in "iu" for end in ends)
    if packed and _number(variable.encoding.get("scale_factor"), 1.0) < 0:
        low, high = high, low
    least, most = (-np.inf if low is None else low), (np.inf if high is None else high)
    return least, most


def _limit(end: object, variable: xr.Variable) -> float | None:
    """One end of a range in the unit of the readings; None where it is no number."""
    value = np.asarray("" if end is None else end)
    if value.dtype.kind not in "fiu" or value.size != 1:
        return None
    number, packing = float(value.reshape(-1)[0]), variable.encoding
    if value.dtype.kind == "f":
        return float(np.float32(number)) if variable.dtype == np.float32 else number
    if number < 0 and str(packing.get("_Unsigned", "")).lower() == "true":
        number += 2 ** (8 * value.dtype.itemsize)
    scale = _number(packing.get("scale_factor"), 1.0)
    return number * scale + _number(packing.get("add_offset"), 0.0)


def _number(value: object, default: float) -> float:
    return default if value is None else float(np.asarray(value).reshape(-1)[0])
