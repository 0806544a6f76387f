"""The last window of a series on the steps that a model was trained on."""

import numpy as np

from dynst.data.clock import Clock, step_text
from dynst.errors import ArtifactError, in_one_line

__all__ = ["as_inputs", "last_window"]


def as_inputs(time: object, readings: object) -> tuple[np.ndarray, np.ndarray]:
    """Times ``[T]`` as int64, and readings of any shape as numbers, NaN where they are masked.

    Raises:
        ArtifactError: times are not whole numbers in one row, or readings are no real numbers.
    """
    if isinstance(readings, np.ma.MaskedArray):
        readings = np.ma.filled(np.ma.asarray(readings, np.float64), np.nan)
    try:
        numbers, moments = np.asarray(readings), np.asarray(time)
    except ValueError as error:  # rows of several lengths
        raise ArtifactError(f"times and readings must be arrays ({in_one_line(error)})") from error
    if numbers.dtype.kind not in "fiu":
        raise ArtifactError(
            f"readings must be real numbers, NaN where missing, but are of type {numbers.dtype}"
        )
    whole = moments.dtype.kind in "iu" or (
        moments.dtype.kind == "f" and bool((moments == np.floor(moments)).all())
    )
    if moments.ndim != 1 or not whole:
        raise ArtifactError(
            f"times must be one row of whole numbers, as the model's clock counts them, but are of "
            f"type {moments.dtype} and shape {moments.shape}; dynst.data.moments reads dates"
        )
    return moments.astype(np.int64), numbers


def last_window(
    time: np.ndarray, readings: np.ndarray, window: int, step: int, clock: Clock
) -> tuple[np.ndarray, np.ndarray]:
    """The steps up to the last of ``time``; one that has no reading is a step of missing values.

    Args:
        time: ``[T]`` in the clock's unit, increasing.
        readings: ``[T, ...]``, NaN where missing.
        window: steps that the model reads.
        step: between two of them, in that unit.
        clock: of the model.

    Returns:
        times ``[window]`` and readings ``[window, ...]``.

    Raises:
        ArtifactError: times do not increase, or have another step.
    """
    gaps = np.diff(time)
    if (gaps <= 0).any():
        row = int((gaps <= 0).argmax()) + 1
        raise ArtifactError(
            f"times must increase from row to row, but row {row + 1} ({clock.label(time[row])}) is "
            f"not after the one before it ({clock.label(time[row - 1])}); sort the rows, and give "
            f"each time once"
        )
    if len(gaps) and ((gaps % step != 0).any() or gaps.min() != step):
        wrong = gaps[gaps % step != 0]
        found = int(wrong[0]) if len(wrong) else int(gaps.min())
        raise ArtifactError(
            f"the model reads a step every {step_text(step, clock.unit)}, but rows are "
            f"{step_text(found, clock.unit)} apart; bring the readings to the model's step"
        )
    steps = time[-1] - step * np.arange(window - 1, -1, -1)
    rows = np.searchsorted(time, steps)
    there = time[np.minimum(rows, len(time) - 1)] == steps
    found_readings = np.full((window, *readings.shape[1:]), np.nan, np.float32)
    with np.errstate(over="ignore"):  # to infinity, which no model reads
        found_readings[there] = readings[rows[there]]
    return steps, found_readings
