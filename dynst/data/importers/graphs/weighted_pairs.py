"""Pairs of sensors with the weights that a graph file gives them, before these are understood."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from dynst.data.importers.report import Finding

__all__ = ["WeightKind", "WeightedPairs"]

WeightKind = Literal["auto", "proximity", "distance"]


@dataclass(frozen=True)
class WeightedPairs:
    """Edges of a file, sensors joined to themselves included.

    Args:
        path: the file.
        ids: of the sensors.
        source: ``[E]`` int64, the sensor that an edge leaves.
        target: ``[E]`` int64, the sensor that it reaches.
        weight: ``[E]`` float64, distances or proximities, infinite ones and markers included.
        label: the name of the weights' column, "" where it has none.
        has_weights: whether the file gives weights at all; else all are 1.
        is_matrix: a matrix, where what is 0 is no edge.
        findings: what is known so far.
    """

    path: Path
    ids: tuple[str, ...]
    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    label: str = ""
    has_weights: bool = True
    is_matrix: bool = False
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.source)

    @property
    def loops(self) -> np.ndarray:
        """``[E]`` bool, where a sensor is joined to itself."""
        same: np.ndarray = self.source == self.target
        return same

    def only(self, kept: np.ndarray, *more: Finding) -> "WeightedPairs":
        """The pairs where ``kept [E]`` is true, and what is to be said of the others."""
        return replace(
            self,
            source=self.source[kept],
            target=self.target[kept],
            weight=self.weight[kept],
            findings=(*self.findings, *more),
        )

    def saying(self, *more: Finding) -> "WeightedPairs":
        """The same pairs with further findings."""
        return replace(self, findings=(*self.findings, *more))

    def pair(self, row: int) -> str:
        """An edge in words."""
        return f"'{self.ids[self.source[row]]}' to '{self.ids[self.target[row]]}'"
