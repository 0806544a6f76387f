"""Markers of "no path" among the distances of a graph: infinite, negative, or far too large."""

from dataclasses import dataclass

import numpy as np

from dynst.data.importers.graphs.weighted_pairs import WeightedPairs
from dynst.data.importers.report import assumed, known
from dynst.errors import DataError

__all__ = ["without_markers"]

FAR = 2.0  # a number that marks is at least so many times the longest distance …
REPEATED = 3  # … or stands there more often than in both directions of one pair
ODD_FAR, ODD_REPEATED = 10.0, 4  # a number that does not look like a mark, but may be one
MOST_MARKERS = 3
LIMITS = {float(2**bits - 1) for bits in (15, 16, 31, 32, 63, 64)} | {float(2**63), float(2**64)}
FLOAT_LIMITS = {float(np.finfo(kind).max) for kind in (np.float16, np.float32, np.float64)}


@dataclass(frozen=True)
class _Longest:
    value: float
    count: int
    next: float

    @property
    def ratio(self) -> float:
        return self.value / self.next if self.next > 0 else np.inf


def without_markers(pairs: WeightedPairs) -> WeightedPairs:
    """Distances alone: what marks that there is no path is no edge.

    Raises:
        DataError: a far value stands there so often that it may be a marker or a distance.
    """
    infinite = np.isposinf(pairs.weight)
    if infinite.any():
        pairs = pairs.only(~infinite, known(_distances(infinite, "infinite")))
    negative = pairs.weight < 0
    if negative.any():
        text = _distances(negative, "negative")
        pairs = pairs.only(~negative, assumed(text, "remove them, or give the distance"))
    for _ in range(MOST_MARKERS):
        longest = _longest(pairs)
        if longest is None or not _marks(pairs, longest):
            break
        text = f"{longest.count} distances of {longest.value:.15g} mark that there is no path"
        pairs = pairs.only(
            pairs.weight < longest.value, assumed(f"{text} and are no edges", "remove them")
        )
    return pairs


def _distances(marked: np.ndarray, kind: str) -> str:
    count = int(marked.sum())
    return (
        f"1 {kind} distance is no edge" if count == 1 else f"{count} {kind} distances are no edges"
    )


def _longest(pairs: WeightedPairs) -> _Longest | None:
    distance = pairs.weight[~pairs.loops]
    if not distance.size:
        return None
    value = float(distance.max())
    others = distance[distance < value]
    if not others.size:
        return None
    return _Longest(value, int(distance.size - others.size), float(others.max()))


def _marks(pairs: WeightedPairs, longest: _Longest) -> bool:
    if _looks_like_a_mark(longest.value):
        return longest.ratio >= FAR or longest.count >= REPEATED
    if longest.ratio >= ODD_FAR and longest.count >= ODD_REPEATED:
        raise DataError(
            f"{pairs.path}: {longest.count} distances are {longest.value:.15g} and the longest "
            f"other is {longest.next:.6g}, so they may mark that there is no path; write inf or "
            f"remove these edges if they do, or vary them if they are true"
        )
    return False


def _looks_like_a_mark(value: float) -> bool:
    """9999, 99999, …; a million and its tenfolds; the largest number of a type."""
    if value in LIMITS or any(np.isclose(value, limit, rtol=1e-6) for limit in FLOAT_LIMITS):
        return True
    if value < 9999 or value > 1e300:
        return False
    digits = f"{value:.15g}"
    nines = set(digits.split(".")[0]) == {"9"} and set(digits.partition(".")[2]) <= {"9"}
    tens = value >= 1e6 and 10.0 ** round(np.log10(value)) == value
    return nines or bool(tens)
