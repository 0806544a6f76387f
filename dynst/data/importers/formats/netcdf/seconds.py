"""Whole seconds out of times that were kept as floats."""

import numpy as np

from dynst.data.importers.report import Finding, assumed
from dynst.errors import DataError

__all__ = ["CLEAR", "SECOND", "Unclear", "whole_seconds"]

SECOND, NOISE = 10**6, 10**3  # microseconds
COARSE = SECOND // 10  # resolution of floats from which seconds cannot be known
ROUND_STEPS = (86_400, 43_200, 21_600, 10_800, 3_600, 1_800, 900, 600, 300, 60, 30, 10, 5, 1)
CLEAR = 4  # a step differs clearly from noise where it is so many times the resolution


class Unclear(DataError):
    """Numbers that do not tell the moment that is meant."""


def whole_seconds(
    moments: np.ndarray, fine: float, name: str
) -> tuple[np.ndarray, tuple[Finding, ...]]:
    """Whole seconds of microseconds that are exact to ``fine`` of them."""
    if fine > COARSE:
        return _snapped(moments, fine, name)
    seconds = (moments + SECOND // 2) // SECOND
    off = int(np.abs(moments - seconds * SECOND).max())
    if off <= max(NOISE, fine):
        return seconds, ()
    if (np.diff(seconds) <= 0).any() and (np.diff(moments) > 0).all():
        raise DataError(
            f"times of '{name}' lie closer to each other than a second, which is the shortest step "
            f"of a store; take means of seconds in the file"
        )
    return seconds, (
        assumed(
            f"times of '{name}' are rounded to whole seconds, by {off / SECOND:.3g} s at most",
            "mend them in the file if they should not be",
        ),
    )


def _snapped(moments: np.ndarray, fine: float, name: str) -> tuple[np.ndarray, tuple[Finding, ...]]:
    """Moments on the longest round step that all of them keep within their resolution."""
    for step in ROUND_STEPS:
        if step * SECOND < CLEAR * fine:
            break
        near = np.round(moments / (step * SECOND)).astype(np.int64) * step
        kept = np.abs(moments - near * SECOND).max() <= fine / 2 + NOISE
        if kept and (np.diff(near) > 0).all():
            text = (
                f"times of '{name}' are floats that are exact to {fine / SECOND:.3g} s only, and "
                f"were rounded to multiples of {step:,} s, from which none lies further away"
            )
            return near, (assumed(text, "write them as 64-bit numbers if that is not so"),)
    raise Unclear(
        f"times of '{name}' are floats that are exact to "
        f" {fine / SECOND:.3g} s only, and keep no step that is clearly longer; write them as "
        f"64-bit numbers, or count them with --start and --step"
    )
