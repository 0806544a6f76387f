"""One training in plain arrays, so that an independent implementation trains on the same data."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

__all__ = ["PeerTask"]


@dataclass(frozen=True)
class PeerTask:
    """Raw readings, the windows of the three parts, and every step's batch and learning rate.

    The optimizer is AdamW, with gradients clipped by norm. A peer's environment has numpy and torch
    alone, so nothing else of ours is imported here.
    """

    values: np.ndarray  # [N, S] float32, raw units
    observed: np.ndarray  # [N, S] bool
    time: np.ndarray  # [N] int64, seconds since 1970-01-01
    sources: np.ndarray  # [M] int64, of the known graph's edges
    targets: np.ndarray  # [M] int64
    weights: np.ndarray  # [M] float32, larger is nearer
    train: np.ndarray  # [·] int64, first rows of the windows
    val: np.ndarray  # [·] int64
    test: np.ndarray  # [·] int64
    batches: np.ndarray  # [epochs, steps, B] int64, places in ``train``
    rates: np.ndarray  # [epochs, steps]
    window: int
    horizon: int
    weight_decay: float
    clip_norm: float

    @property
    def num_sensors(self) -> int:
        return int(self.values.shape[1])

    def save(self, path: Path) -> None:
        np.savez(path, **asdict(self))

    @classmethod
    def load(cls, path: Path) -> "PeerTask":
        with np.load(path) as arrays:
            return cls(
                **{
                    name: arrays[name] if arrays[name].ndim else arrays[name].item()
                    for name in arrays.files
                }
            )
