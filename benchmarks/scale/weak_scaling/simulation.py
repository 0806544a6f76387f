"""How long a step of n workers would take: formulas alone, nothing is measured here.

A step is the slowest worker's own computing, and then its exchange. α is the latency of a message,
β the bandwidth of a worker each way, n the number of workers, b the bytes.

- Rows, from each worker to each: pairwise exchange, (n − 1) α + b / β (Thakur, Rabenseifner and
  Gropp 2005, "Optimization of Collective Communication Operations in MPICH"). b is the larger of
  what a worker sends and receives.
- Sums: the faster of two. Ring, 2 (n − 1) α + 2 (n − 1) / n · b / β (Patarasuk and Yuan 2009,
  "Bandwidth Optimal All-reduce Algorithms for Clusters of Workstations"). Recursive doubling,
  ⌈log₂ n⌉ (α + b / β) (Thakur et al. 2005). The adding itself is left out.
- The slowest worker: the expected largest of n draws from the measured times, each multiplied by
  what its worker reads. Draws are independent, and none is longer than the longest that was
  measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2

import numpy as np

__all__ = ["Interconnect", "SimulatedStep", "StepLoad", "expected_slowest", "simulated"]


@dataclass(frozen=True)
class Interconnect:
    """What joins the workers.

    Args:
        latency: seconds of a message.
        bandwidth: bytes a second of each worker, each way at once.
    """

    name: str
    latency: float
    bandwidth: float

    def exchange(self, size: float, workers: int) -> float:
        """Seconds of a pairwise exchange of ``size`` bytes for each worker."""
        return (workers - 1) * self.latency + size / self.bandwidth if workers > 1 else 0.0

    def ring(self, size: float, workers: int) -> float:
        others = workers - 1
        return 2 * others * self.latency + 2 * others / workers * size / self.bandwidth

    def doubling(self, size: float, workers: int) -> float:
        return ceil(log2(workers)) * (self.latency + size / self.bandwidth)

    def all_reduce(self, size: float, workers: int) -> float:
        """Seconds of a sum of ``size`` bytes over workers."""
        return min(self.ring(size, workers), self.doubling(size, workers))


@dataclass(frozen=True)
class StepLoad:
    """What a step asks of its workers.

    Args:
        read: sensors that each worker reads.
        rows: bytes of rows of the worker with the most of them, one entry for each call.
        sums: bytes of each sum over workers.
        own: seconds of each worker's work on the exchange, which a single worker does not have.
    """

    read: Sequence[float]
    rows: Sequence[float] = ()
    sums: Sequence[float] = ()
    own: float = 0.0

    @property
    def workers(self) -> int:
        return len(self.read)


@dataclass(frozen=True)
class SimulatedStep:
    """Seconds of a step, in the order in which they are spent.

    Args:
        compute: the mean time of the worker that reads most.
        slowest: that the slowest worker takes longer than that.
        own: work on the exchange.
        rows: halos fetched and gradients handed back.
        sums: over workers.
    """

    compute: float
    slowest: float
    own: float
    rows: float
    sums: float

    @property
    def seconds(self) -> float:
        return self.slowest + self.without_stragglers

    @property
    def without_stragglers(self) -> float:
        """Were all workers as fast as their mean."""
        return self.own + self.unavoidable

    @property
    def unavoidable(self) -> float:
        """Reading the halos and sending alone: were there no work on the exchange either."""
        return self.compute + self.rows + self.sums


def simulated(
    load: StepLoad, times: Sequence[float], read_then: float, joined: Interconnect
) -> SimulatedStep:
    """A step of ``load.workers`` workers.

    Args:
        load: of the step.
        times: seconds of a step's computing, as measured with one worker.
        read_then: sensors that it read, mean.
        joined: by what.
    """
    scales = [read / read_then for read in load.read]
    compute = float(np.mean(times) * max(scales))
    return SimulatedStep(
        compute,
        expected_slowest(times, scales) - compute,
        load.own,
        sum(joined.exchange(size, load.workers) for size in load.rows),
        sum(joined.all_reduce(size, load.workers) for size in load.sums),
    )


def expected_slowest(times: Sequence[float], scales: Sequence[float]) -> float:
    """The mean of the largest of one draw from ``times`` for each worker, times its scale.

    Exact, for draws with replacement: the largest is at most t with the product of the workers'
    chances to be at most t.
    """
    ordered = np.sort(np.asarray(times, float))
    kinds, count = np.unique(np.asarray(scales, float), return_counts=True)
    products = kinds[:, None] * ordered  # [kinds, times], ascending
    values = np.unique(products)
    at_most = np.stack([np.searchsorted(each, values, side="right") for each in products])
    chance = ((at_most / len(ordered)) ** count[:, None]).prod(0)
    return float((values * np.diff(chance, prepend=0.0)).sum())
