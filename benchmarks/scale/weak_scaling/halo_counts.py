"""What each worker of a cut network reads, fetches and sends in a step: counted from the cut alone,
by other code than that which sends it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from dynst.data.partition import Subgraph
from dynst.training.step_shares import StepShares

__all__ = ["CutCounts", "Rows"]


@dataclass(frozen=True)
class Rows:
    """Of each worker in one step, ``[workers]``.

    Args:
        read: sensors of its parts, were all of them on.
        fetched: rows of its halos that other workers have; as many gradients go back.
        lent: its own rows that others fetch.
        partners: workers that it exchanges rows with.
    """

    read: np.ndarray
    fetched: np.ndarray
    lent: np.ndarray
    partners: np.ndarray


class CutCounts:
    """Of parts that are shared out.

    Args:
        parts: of the whole network.
        num_sensors: of the whole network.
        shares: of a step.
        workers: how many share them.
    """

    def __init__(
        self, parts: Sequence[Subgraph], num_sensors: int, shares: StepShares, workers: int
    ) -> None:
        self.parts, self.workers = parts, workers
        self._worker_of = [
            shares.rank_of_part(part, len(parts), workers) for part in range(len(parts))
        ]
        self._owner = np.empty(num_sensors, np.int64)
        for part, worker in zip(parts, self._worker_of, strict=True):
            self._owner[part.locations.numpy()] = worker

    def rows(self, numbers: Sequence[int]) -> Rows:
        """Of a step on these parts."""
        asked = np.zeros((self.workers, self.workers), np.int64)  # [who, of whom]
        read = np.zeros(self.workers, np.int64)
        for worker in range(self.workers):
            own = [self.parts[number] for number in numbers if self._worker_of[number] == worker]
            read[worker] = sum(len(part.sensors) for part in own)
            sensors = torch.cat([part.sensors for part in own]).unique() if own else []
            asked[worker] = np.bincount(self._owner[sensors], minlength=self.workers)
        np.fill_diagonal(asked, 0)
        partners = ((asked + asked.T) > 0).sum(1)
        return Rows(read, asked.sum(1), asked.sum(0), partners)

    def held(self, worker: int) -> int:
        """Sensors whose rows a worker has, its own and copies."""
        sensors = [
            part.sensors
            for part, whose in zip(self.parts, self._worker_of, strict=True)
            if whose == worker
        ]
        return len(torch.cat(sensors).unique())
