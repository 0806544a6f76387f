"""A small network for examples."""

from pathlib import Path

from dynst.data.synthetic import write_synthetic_field

__all__ = ["write_network"]


def write_network(path: Path, seed: int) -> None:
    """Eight sensors over three weeks, hour by hour."""
    write_synthetic_field(path, 8, 24 * 21, seed=seed)
