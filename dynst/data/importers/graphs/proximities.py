"""Weights of a graph file as proximities: taken as they are, or made from distances."""

import re
from dataclasses import replace
from typing import Literal

import numpy as np

from dynst.data.edges import Edges
from dynst.data.importers.graphs.no_path import without_markers
from dynst.data.importers.graphs.weighted_pairs import WeightedPairs, WeightKind
from dynst.data.importers.names import counted
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.small_tables import words
from dynst.errors import DataError

__all__ = ["WEIGHTS", "edges_of", "kind_by_name"]

DISTANCES = {
    *("cost", "costs", "distance", "distances", "dist", "length", "len", "distanz", "entfernung"),
    *("m", "metre", "metres", "meter", "meters", "km", "kilometres", "kilometers"),
    *("mile", "miles", "mi", "feet", "ft", "yards", "duration", "time", "minutes", "seconds"),
}
PROXIMITIES = {
    *("proximity", "similarity", "affinity", "adjacency", "adj", "kernel", "inverse", "inv"),
}
WEIGHTS = {"weight", "weights", "w", "value", "values", "strength", "correlation", "corr"}
INVERSE = re.compile(r"\b1\s*/|\^\s*-\s*1")
Kind = Literal["proximity", "distance"]
SAME = 1e-9  # a relative spread of distances that are all one
NEXT_TO_NOTHING = 0.1  # the threshold below which Li et al. 2018 have no edge
ROUNDING = 1e-6  # a proximity of one may be stored as slightly more


def kind_by_name(name: str) -> Kind | None:
    """What the name of a column or array says of its weights; 1/distance is a proximity."""
    parts = set(words(name))
    if parts & PROXIMITIES or (parts & DISTANCES and INVERSE.search(name)):
        return "proximity"
    return "distance" if parts & DISTANCES and not parts & WEIGHTS else None


def edges_of(
    pairs: WeightedPairs, weights: WeightKind, *, above_one: Literal["ask", "distance"] = "ask"
) -> tuple[Edges, tuple[Finding, ...]]:
    """Edges with proximities.

    Distances become proximities by a Gaussian kernel whose width is their standard deviation (Li et
    al. 2018, DCRNN, whose threshold is not applied).

    Args:
        pairs: as the file has them.
        weights: what the user says they are.
        above_one: what they are where some exceed 1 and nothing else decides.

    Raises:
        DataError: it is not clear what the weights are, or some cannot be.
    """
    kind, found = _kind(pairs, weights, above_one)
    pairs = pairs.saying(*found)
    pairs = _distances(pairs) if kind == "distance" else _proximities(pairs)
    pairs = _without_loops(pairs)
    pairs = _once(pairs)
    pairs = _kernel(pairs) if kind == "distance" else _without_zeros(pairs)
    order = np.lexsort((pairs.target, pairs.source))
    edges = Edges(
        pairs.source[order].astype(np.int64),
        pairs.target[order].astype(np.int64),
        pairs.weight[order].astype(np.float32),
    )
    return edges, (known(_counted(pairs, kind, len(edges))), *pairs.findings)


def _counted(pairs: WeightedPairs, kind: Kind, edges: int) -> str:
    """How many edges there are, and where their weights come from."""
    text = "distances, turned into proximities" if kind == "distance" else "taken as proximities"
    named = f"weights from column '{pairs.label}': " if pairs.label else "weights "
    weights = f"{named}{text}" if pairs.has_weights else "without weights, so proximities of 1"
    return f"{counted(edges, 'edge')} from {pairs.path.name}, {weights}"


def _kind(
    pairs: WeightedPairs, weights: WeightKind, above_one: Literal["ask", "distance"]
) -> tuple[Kind, tuple[Finding, ...]]:
    """What the weights are: as the user says, as their name says, or as their values tell."""
    if not pairs.has_weights:
        if weights != "auto":
            raise DataError(
                f"{pairs.path} has no weights that --weights could mean; leave --weights out"
            )
        return "proximity", ()
    if weights != "auto":
        return weights, ()
    named = kind_by_name(pairs.label)
    if named == "distance":
        return _distance_by_name(pairs), ()
    if _between_0_and_1(pairs):
        if _loops_are_zero(pairs) and not pairs.is_matrix:
            raise _undecided(pairs, "edges of sensors to themselves have 0")
        return "proximity", _how_sure(pairs, named)
    if named == "proximity" or pairs.weight.max() <= 1:
        raise _undecided(pairs)
    return _above_one(pairs, above_one)


def _distance_by_name(pairs: WeightedPairs) -> Kind:
    loops = pairs.weight[pairs.loops]
    if _between_0_and_1(pairs) and loops.size and loops.min() >= pairs.weight.max() > 0:
        raise _undecided(pairs, "edges of sensors to themselves have the largest")
    return "distance"


def _above_one(
    pairs: WeightedPairs, above_one: Literal["ask", "distance"]
) -> tuple[Kind, tuple[Finding, ...]]:
    """Weights that have no telling name, and are too large for proximities."""
    if _loops_are_zero(pairs):
        text = "weights are distances, as sensors are at 0 from themselves"
        return "distance", (assumed(text, "--weights proximity"),)
    if np.isposinf(pairs.weight).any():
        return "distance", (known("weights are distances, as some are infinite"),)
    if above_one == "distance" and pairs.weight.min() >= 0:
        text = f"weights reach {pairs.weight.max():.6g} and were taken as distances"
        return "distance", (assumed(text, "--weights proximity"),)
    raise _undecided(pairs)


def _between_0_and_1(pairs: WeightedPairs) -> bool:
    return bool(((pairs.weight >= 0) & (pairs.weight <= 1 + ROUNDING)).all())


def _loops_are_zero(pairs: WeightedPairs) -> bool:
    """Whether sensors are at 0 from themselves, as distances have it.

    A matrix says so by its diagonal, an edge list by edges from sensors to themselves.
    """
    loops = pairs.weight[pairs.loops]
    others = pairs.weight[~pairs.loops]
    return (pairs.is_matrix or loops.size > 0) and not loops.any() and bool(others.any())


def _how_sure(pairs: WeightedPairs, named: Kind | None) -> tuple[Finding, ...]:
    """Adjacencies of 0 and 1, a diagonal of 1 and a name tell for sure."""
    loops = pairs.weight[pairs.loops]
    binary = np.isin(pairs.weight, (0, 1)).all()
    if named or binary or (loops.size and (loops >= 1 - ROUNDING).all()):
        return ()
    label = f" '{pairs.label}'" if pairs.label else ""
    text = f"weights{label} lie between 0 and 1 and were taken as proximities"
    return (assumed(text, "--weights distance"),)


def _undecided(pairs: WeightedPairs, why: str = "") -> DataError:
    name = f" '{pairs.label}'" if pairs.label else ""
    return DataError(
        f"{pairs.path}: weights{name} reach from {pairs.weight.min():.6g} to "
        f"{pairs.weight.max():.6g} and may be distances or proximities (these lie in 0..1)"
        f"{', since ' + why if why else ''}; say --weights distance or --weights proximity"
    )


def _distances(pairs: WeightedPairs) -> WeightedPairs:
    """Without markers; a matrix gives 0 to most pairs that have no edge."""
    between = len(pairs.ids) * (len(pairs.ids) - 1) - int((~pairs.loops).sum())
    if pairs.is_matrix and between:
        text = f"{counted(between, 'pair')} of sensors at a distance of 0 left without an edge"
        pairs = pairs.saying(assumed(text, "write a small distance where sensors share a place"))
    return without_markers(pairs)


def _proximities(pairs: WeightedPairs) -> WeightedPairs:
    wrong = np.flatnonzero(~np.isfinite(pairs.weight) | (pairs.weight < 0))
    if wrong.size:
        raise DataError(
            f"{pairs.path}: proximities must be finite numbers of at least 0, but {wrong.size} are "
            f"not, the first {pairs.weight[wrong[0]]:.6g} of {pairs.pair(wrong[0])}; remove them, "
            f"or say --weights distance if they are distances"
        )
    largest = float(pairs.weight.max(initial=0.0))
    if largest > 1 + ROUNDING:
        text = f"weights reach {largest:.6g} and were taken as proximities, though these lie in 0…1"
        return pairs.saying(assumed(text, "--weights distance"))
    return pairs


def _without_loops(pairs: WeightedPairs) -> WeightedPairs:
    loops = pairs.loops
    if not loops.any():
        return pairs
    return pairs.only(
        ~loops, known(f"{counted(int(loops.sum()), 'edge')} from a sensor to itself left out")
    )


def _once(pairs: WeightedPairs) -> WeightedPairs:
    """Edges that stand there twice alike once."""
    if pairs.is_matrix:
        return pairs
    order = np.lexsort((pairs.weight, pairs.target, pairs.source))
    source, target, weight = (part[order] for part in (pairs.source, pairs.target, pairs.weight))
    again = np.flatnonzero((np.diff(source) == 0) & (np.diff(target) == 0))
    if not again.size:
        return pairs
    unlike = again[weight[again] != weight[again + 1]]
    if unlike.size:
        row, other = order[unlike[0]], order[unlike[0] + 1]
        raise DataError(
            f"{pairs.path}: each edge must have one weight, but {unlike.size} have several, the "
            f"first {pairs.pair(row)} with {pairs.weight[row]:.6g} and {pairs.weight[other]:.6g}; "
            f"keep one of them"
        )
    kept = np.ones(len(pairs), bool)
    kept[order[again + 1]] = False
    return pairs.only(kept, known(f"{counted(again.size, 'repeated edge')} kept once"))


def _without_zeros(pairs: WeightedPairs) -> WeightedPairs:
    zero = pairs.weight == 0
    if not zero.any():
        return pairs
    return pairs.only(
        ~zero, known(f"{counted(int(zero.sum()), 'edge')} of weight 0 left out: 0 means no edge")
    )


def _kernel(pairs: WeightedPairs) -> WeightedPairs:
    distance = pairs.weight
    if not len(distance):
        return pairs
    spread, mean = float(distance.std()), float(distance.mean())
    width = spread if spread > SAME * mean else mean or 1.0
    proximity = np.exp(-((distance / width) ** 2))
    vanished = int((proximity.astype(np.float32) == 0).sum())
    more = (
        (known(f"{counted(vanished, 'edge')} so long that the proximity is 0"),) if vanished else ()
    )
    reach = (
        f"the kernel is {width:.4g} wide, and proximities reach from {proximity.min():.2g} to "
        f"{proximity.max():.2g}"
    )
    found = known(reach) if proximity.max() >= NEXT_TO_NOTHING else _nearly_empty(reach, proximity)
    return replace(pairs, weight=proximity).saying(found, *more)


def _nearly_empty(reach: str, proximity: np.ndarray) -> Finding:
    """Distances that are all alike, so that their spread is far below each of them."""
    return assumed(
        f"the graph is nearly empty: {reach}, as the distances differ little",
        f"its largest weight is {proximity.max():.2g}; give proximities in 0…1 with --weights "
        f"proximity, or leave --graph out and name --positions for neighbours of equal weight",
    )
