"""Stores opened in this home, which remembers what was verified."""

from pathlib import Path

from dynst.data.store import SensorStore, open_store
from dynst_platform.config.locations import home

__all__ = ["memory", "open_here"]


def memory() -> Path:
    """The folder of the home that remembers which stores were verified; made only in a home that
    exists, so that wrong input leaves nothing behind.
    """
    return home() / ".verified"


def open_here(path: Path | str, *, anew: bool = False) -> SensorStore:
    """As ``open_store``; ``anew`` verifies what was verified before.

    Raises:
        DataError: there is no usable store.
    """
    return open_store(path, memory=memory(), anew=anew)
