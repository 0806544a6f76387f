"""``.dynstignore``: patterns as in ``.gitignore``, beside the package or module of a network.

They exclude modules that would travel; with ``!`` they include files that would not.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from dynst.errors import ConfigError

__all__ = ["IGNORE_FILE", "IgnoreFile", "read_ignore_file"]

IGNORE_FILE = ".dynstignore"
WILD = set("*?[")


@dataclass(frozen=True)
class _Rule:
    parts: tuple[str, ...]
    folders_alone: bool
    includes: bool  # begins with !

    def fits(self, path: str) -> bool:
        """Whether it names the file, or a folder above it."""
        parts = path.split("/")
        last = len(parts) - 1 if self.folders_alone else len(parts)
        return any(_fits(self.parts, parts[:end]) for end in range(1, last + 1))


@dataclass(frozen=True)
class IgnoreFile:
    """The last pattern that fits a path decides."""

    rules: tuple[_Rule, ...] = ()

    def excludes(self, path: str) -> bool:
        return self._last(path) is False

    def includes(self, path: str) -> bool:
        return self._last(path) is True

    def _last(self, path: str) -> bool | None:
        return next((rule.includes for rule in reversed(self.rules) if rule.fits(path)), None)

    def included_below(self, root: Path) -> Iterator[str]:
        """Paths below ``root`` that a line with ``!`` names; hidden folders are not entered."""
        found: set[str] = set()
        for rule in self.rules:
            if rule.includes:
                found |= set(_files(root, _fixed(rule.parts)))
        return (path for path in sorted(found) if self.includes(path))


def read_ignore_file(root: Path) -> IgnoreFile:
    """The one in ``root``; without it nothing is excluded and nothing more is included.

    Raises:
        ConfigError: it is no text, or names what lies above its folder.
    """
    try:
        text = (root / IGNORE_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return IgnoreFile()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{root / IGNORE_FILE} must be a text of patterns as in .gitignore, but cannot be read "
            f"({error}); mend it"
        ) from error
    rules = (_rule(line.rstrip()) for line in text.splitlines())
    return IgnoreFile(tuple(rule for rule in rules if rule is not None))


def _rule(line: str) -> _Rule | None:
    if not line or line.startswith("#"):
        return None
    includes = line.startswith("!")
    pattern = line.removeprefix("!").removeprefix("\\")
    parts = tuple(part for part in pattern.split("/") if part)
    if ".." in parts:
        raise ConfigError(
            f"{IGNORE_FILE} must name files below its own folder, but has '{line}'; leave it out"
        )
    if "/" not in pattern.rstrip("/"):
        parts = ("**", *parts)
    return _Rule(parts, pattern.endswith("/"), includes) if pattern.strip("/") else None


def _fits(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fits(pattern[1:], parts[start:]) for start in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _fits(pattern[1:], parts[1:])


def _fixed(parts: tuple[str, ...]) -> PurePosixPath:
    """The beginning of a pattern that is a path."""
    wild = next((place for place, part in enumerate(parts) if WILD & set(part)), len(parts))
    return PurePosixPath(*parts[:wild])


def _files(root: Path, start: PurePosixPath) -> Iterator[str]:
    first = root / start
    if first.is_file():
        yield start.as_posix()
    for folder, below, files in os.walk(first):
        below[:] = [name for name in below if not name.startswith(".") and name != "__pycache__"]
        for name in files:
            yield Path(folder, name).relative_to(root).as_posix()
