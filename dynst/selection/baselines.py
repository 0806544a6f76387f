"""Rankings of sensors that need no trained network: what an owner would otherwise use, larger is
better.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

from dynst.data.anomalies import anomalies
from dynst.data.edges import Edges
from dynst.data.scaler import SeasonalScaler
from dynst.data.windows import Windows
from dynst.errors import ConfigError
from dynst.sparsity.constraints.sensor_layout import Network

__all__ = [
    "CHEAP",
    "MAX_PAIRED",
    "RANKINGS",
    "BaselineInputs",
    "Ranking",
    "baseline_inputs",
    "check_size",
    "distances_from",
]

MAX_PAIRED = 5_000  # sensors, for rankings that compare every pair
CHEAP = {"random", "variance"}  # the others compare pairs


@dataclass(frozen=True)
class BaselineInputs:
    """What is known of a network before any training; the training part alone."""

    readings: np.ndarray  # [N, S] anomalies from the seasonal profile, scaled, 0 where unobserved
    spread: (
        np.ndarray
    )  # [S] of the anomalies, in the channel's unit; 0 for a sensor that never varies
    distance_from: Callable[[int], np.ndarray]  # of a sensor to all, [S]

    def among(self, sensors: np.ndarray) -> "BaselineInputs":
        """The same of some sensors alone, by index."""
        return BaselineInputs(
            self.readings[:, sensors],
            self.spread[sensors],
            lambda own: self.distance_from(int(sensors[own]))[sensors],
        )


Ranking = Callable[[BaselineInputs, int, int], Tensor]
"""(known, number of sensors to keep, seed) to scores ``[S]`` float64."""


def baseline_inputs(
    network: Network, edges: Edges, train: Windows, scaler: SeasonalScaler
) -> BaselineInputs:
    anomaly = anomalies(train, scaler)
    return BaselineInputs(
        anomaly.by_location().numpy(), anomaly.spread().numpy(), distances_from(network, edges)
    )


def distances_from(network: Network, edges: Edges) -> Callable[[int], np.ndarray]:
    """Between positions where they are known, else along the graph, where a strong edge is a short
    one.
    """
    points, size = network.points, len(network)
    if points is not None:
        return lambda sensor: np.linalg.norm(points - points[sensor], axis=1)
    pair = edges.source * size + edges.target
    nearest = np.lexsort((-edges.weight, pair))
    nearest = nearest[
        np.unique(pair[nearest], return_index=True)[1]
    ]  # of parallel edges, whose lengths would add up
    ends = edges.source[nearest], edges.target[nearest]
    graph = csr_array((1 / np.maximum(edges.weight[nearest], 1e-6), ends), shape=(size, size))
    return lambda sensor: np.nan_to_num(dijkstra(graph, directed=False, indices=sensor), posinf=1e9)


def check_size(names: Iterable[str], num_sensors: int) -> None:
    """Raises ConfigError where a ranking would compare every pair of too many sensors."""
    large = [name for name in names if name not in CHEAP]
    if large and num_sensors > MAX_PAIRED:
        raise ConfigError(
            f"{large[0]} compares every pair and takes at most {MAX_PAIRED} sensors, but got "
            f"{num_sensors}; leave it out of the baselines"
        )


def random(known: BaselineInputs, count: int, seed: int) -> Tensor:
    """Chance, which every choice must beat."""
    return torch.rand(
        len(known.spread), generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def variance(known: BaselineInputs, count: int, seed: int) -> Tensor:
    """Keep the sensors whose anomalies from their season vary most."""
    return torch.tensor(known.spread, dtype=torch.float64)


def farthest_point(known: BaselineInputs, count: int, seed: int) -> Tensor:
    """Spread over the area: each next sensor is the one farthest from those taken (Gonzalez 1985),
    from a random first one.
    """
    first = int(np.random.default_rng(seed).integers(len(known.spread)))
    order, nearest = [first], known.distance_from(first)
    while len(order) < len(nearest):
        nearest[order] = -1
        order.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, known.distance_from(order[-1]))
    return _by_order(np.array(order))


def qr_pivoting(known: BaselineInputs, count: int, seed: int) -> Tensor:
    """Pivots of a QR decomposition of the first ``count`` singular modes (Manohar et al.

    2018), by python-sensors.
    """
    from pysensors.basis import SVD  # noqa: PLC0415 (half a second that only this ranking needs)
    from pysensors.optimizers import QR  # noqa: PLC0415

    if known.readings.shape[1] == 1:
        return torch.zeros(1, dtype=torch.float64)
    modes = min(count, *known.readings.shape)
    basis = (
        SVD(n_basis_modes=modes, random_state=seed % 2**32)
        .fit(known.readings)
        .matrix_representation()
    )
    return _by_order(QR().fit(basis).get_sensors())


def spectral(known: BaselineInputs, count: int, seed: int) -> Tensor:
    """Leverage scores: how much of a sensor lies in half as many leading singular modes as are kept
    (Boutsidis et al. 2009).
    """
    modes = np.linalg.svd(known.readings, full_matrices=False)[2]
    leverage = (modes[: max(1, count // 2)] ** 2).sum(0)
    return _by_order(np.argsort(-leverage, kind="stable"))


def facility_location(known: BaselineInputs, count: int, seed: int) -> Tensor:
    """Greedy: each next sensor adds most to Σ over locations of the best correlation with a kept
    sensor (Krause & Golovin 2014).
    """
    size = len(known.spread)
    noise = np.random.default_rng(seed).standard_normal(known.readings.shape)
    varying = known.readings + 1e-6 * noise  # a constant has no correlation
    similar = np.corrcoef(varying.T).clip(min=0).reshape(size, size) * np.outer(
        known.spread > 0, known.spread > 0
    )
    order: list[int] = []
    best = np.zeros(size)
    for _ in range(size):
        gain = np.maximum(similar - best, 0).sum(axis=1)
        gain[order] = -1
        order.append(int(gain.argmax()))
        best = np.maximum(best, similar[order[-1]])
    return _by_order(np.array(order))


RANKINGS: dict[str, Ranking] = {
    ranking.__name__: ranking
    for ranking in (
        random,
        variance,
        spectral,
        farthest_point,
        qr_pivoting,
        facility_location,
    )
}


def _by_order(order: np.ndarray) -> Tensor:
    """Scores whose descending order is ``order``."""
    scores = np.empty(len(order))
    scores[order] = -np.arange(len(order), dtype=float)
    return torch.from_numpy(scores)
