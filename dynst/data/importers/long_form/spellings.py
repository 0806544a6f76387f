"""Names of sensors in a long table that may be one name, written in two ways."""

from collections.abc import Callable, Sequence
from pathlib import Path

from dynst.data.importers.names import listed, tidy
from dynst.data.importers.report import Finding, assumed
from dynst.errors import DataError

__all__ = ["said_of_spellings"]


def said_of_spellings(path: Path, column: str, ids: Sequence[str]) -> tuple[Finding, ...]:
    """What is said of names that differ in capitals or leading zeros alone.

    Args:
        path: of the file.
        column: of the names.
        ids: distinct names.

    Raises:
        DataError: two are the same but for invisible characters, blanks, or a ".0".
    """
    same = _alike(ids, _visible)
    if same:
        raise DataError(
            f"{path}: '{column}' must write each sensor in one way, but has {listed(same)}; write "
            f"them alike"
        )
    near = _alike(ids, lambda name: _visible(name).casefold().lstrip("0"))
    if not near:
        return ()
    text = f"{listed(near)} of '{column}' are {len(near)} sensors"
    return (assumed(text, "write them alike if they are one"),)


def _visible(name: str) -> str:
    return tidy("".join(character for character in name if character.isprintable()))


def _alike(ids: Sequence[str], key: Callable[[str], str]) -> list[str]:
    """The names of the first key that several share."""
    found: dict[str, list[str]] = {}
    for name in ids:
        found.setdefault(key(name), []).append(name)
    return next((names for names in found.values() if len(names) > 1), [])
