"""Recorded paths whose folder was moved: the counterpart in the folder that is here now."""

from pathlib import Path

from dynst.data import auckland
from dynst.storage.addresses import is_remote
from dynst_platform.config.locations import home

__all__ = ["counterpart", "present_store"]


def counterpart(path: Path, root: Path, least: int = 1) -> Path | None:
    """What has the same last names below ``root``, as many as possible and ``least`` or more."""
    parts = path.parts
    tails = (root.joinpath(*parts[first:]) for first in range(1, len(parts) - least + 1))
    return next((tail for tail in tails if tail.exists()), None)


def present_store(name: str) -> str:
    """A recorded store's name; where no folder is there, that of its counterpart in this home.

    Whoever opens it holds it against the digest that was recorded with it.
    """
    path = Path(name)
    if is_remote(name) or name == auckland.NAME or path.exists():
        return name
    found = counterpart(path, home()) or counterpart(path, home() / "stores")
    return name if found is None else str(found)
