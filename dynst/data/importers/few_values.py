"""Few exact values beyond a gap: they may be marks that a file uses in place of readings."""

from collections.abc import Mapping

import numpy as np

__all__ = ["beyond_gaps", "may_be_marks"]

MOST_MARKS, REPEATED = 4, 3  # at most so many distinct values, one of them at least so often
APART, STEPS_APART = 0.1, 3  # the gap in ranges of the others, and in their widest distances
LEAST_LEVELS = 8  # of the others, without as many outermost ones as may be marks on their side
NEGATIVE_MARKS = 2  # below readings that reach 0, whole ones need no gap


def beyond_gaps(flat: np.ndarray, levels: np.ndarray) -> dict[float, int]:
    """Few distinct values that lie below or above a gap, or below 0, and how often each occurs.

    Args:
        flat: ``[N]`` readings, NaN where missing.
        levels: some of them in ascending order, each once, the least and the largest included;
            where these have no gap, all have none.
    """
    low, high = _edge(levels), -_edge(-levels[::-1])
    if levels[0] < 0 < levels[-1] and (levels < 0).sum() <= MOST_MARKS:
        low = max(low, 0.0)
    if low <= levels[0] and high >= levels[-1]:
        return {}
    values, counts = np.unique(flat[(flat < low) | (flat > high)], return_counts=True)
    found = dict(zip(values.tolist(), counts.tolist(), strict=True))
    sides = [[value for value in found if value < low], [value for value in found if value > high]]
    return {value: found[value] for side in sides if len(side) <= MOST_MARKS for value in side}


def _edge(levels: np.ndarray) -> float:
    """The least of the others, where few values lie below a gap; else −∞."""
    for index in reversed(range(MOST_MARKS)):
        others = levels[index + 1 : -MOST_MARKS]
        if len(others) >= LEAST_LEVELS and _is_gap(others[0] - levels[index], others):
            return float(others[0])
    return -np.inf


def _is_gap(width: float, others: np.ndarray) -> bool:
    wide = APART * (others[-1] - others[0])
    return bool(width > wide and width > STEPS_APART * np.diff(others).max())


def may_be_marks(outside: Mapping[float, int], levels: np.ndarray) -> bool:
    """Whether values on one side of all others are marks: few, one repeated, beyond a gap.

    Args:
        outside: the values, and how often each occurs.
        levels: distinct values of the others in ascending order, or many of them.
    """
    if not 0 < len(outside) <= MOST_MARKS or max(outside.values()) < REPEATED or not levels.size:
        return False
    below = max(outside) < levels[0]
    if below and levels[0] >= 0 and len(outside) <= NEGATIVE_MARKS:
        repeated = [value for value, count in outside.items() if count > 1]
        if max(outside) < 0 and all(float(value).is_integer() for value in repeated):
            return True
    gap = levels[0] - max(outside) if below else min(outside) - levels[-1]
    return len(levels) >= LEAST_LEVELS and _is_gap(float(gap), levels)
