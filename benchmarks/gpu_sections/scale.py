"""How large everything is: for a GPU, and for a dry run on the CPU."""

from dataclasses import dataclass

import torch

__all__ = ["DRY", "FULL", "Scale", "has_gpu"]


@dataclass(frozen=True)
class Scale:
    """Sizes of all sections.

    Args:
        title: of the page.
        device: that computes.
        compact: sensors and windows of a batch, for compact against dense.
        largest: sensors of the network that stands for LargeST-CA.
        growth: sensors of ever larger networks.
        parts: that a large network is cut into.
        waits: sensors, where waits for the device are counted.
        precision: sensors, where precisions are compared.
        batch: windows of a step at the size of LargeST-CA, and where precisions are compared.
        steps: of an epoch.
        epochs: of a training; the first one warms up.
        series: steps of a synthetic series.
        seconds: of an inference measurement, at most.
        backend: of ``torch.compile``.
    """

    title: str
    device: torch.device
    compact: tuple[tuple[int, int], ...]
    largest: int
    growth: tuple[int, ...]
    parts: int
    waits: int
    precision: int
    batch: int
    steps: int
    epochs: int
    series: int
    seconds: float
    backend: str


FULL = Scale(
    title="One GPU",
    device=torch.device("cuda", 0),
    compact=((207, 64), (2_000, 64), (20_000, 16)),
    largest=8_600,
    growth=(10_000, 100_000, 1_000_000),
    parts=16,
    waits=2_000,
    precision=2_000,
    batch=64,
    steps=10,
    epochs=4,
    series=1_200,
    seconds=1.5,
    backend="inductor",
)
DRY = Scale(
    title="Dry run on the CPU: none of these figures means anything",
    device=torch.device("cpu"),
    compact=((9, 4),),
    largest=24,
    growth=(30, 60),
    parts=3,
    waits=12,
    precision=12,
    batch=4,
    steps=2,
    epochs=2,
    series=250,
    seconds=0.05,
    backend="eager",  # which needs no compiler for C++
)


def has_gpu() -> bool:
    """Whether PyTorch can compute on one."""
    return torch.cuda.is_available()
