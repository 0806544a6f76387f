"""Files by content: a list of paths with SHA-256, its digest, and how two lists differ."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from dynst_platform.text import printable

__all__ = ["FileList", "differences", "file_list", "list_digest", "sha256"]

FileList = Mapping[str, str]
"""SHA-256 in hexadecimal digits by path, which has ``/`` between its parts."""

NAMED = 10  # files of a kind


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_list(folder: Path) -> dict[str, str]:
    """Of all files below the folder, but for what Python compiled."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    relative = {path.relative_to(folder): path for path in files}
    return {
        short.as_posix(): sha256(path)
        for short, path in relative.items()
        if "__pycache__" not in short.parts
    }


def list_digest(files: FileList) -> str:
    """The same for the same files, whatever their order."""
    return hashlib.sha256(json.dumps(sorted(files.items())).encode()).hexdigest()


def differences(wanted: FileList, found: FileList) -> str:
    """What was changed, added or removed, as words; empty where nothing was."""
    kinds = {
        "changed": [path for path in wanted if path in found and wanted[path] != found[path]],
        "added": [path for path in found if path not in wanted],
        "missing": [path for path in wanted if path not in found],
    }
    return "; ".join(f"{kind}: {_named(paths)}" for kind, paths in kinds.items() if paths)


def _named(paths: Iterable[str]) -> str:
    every = [printable(path) for path in sorted(paths)]
    more = f" and {len(every) - NAMED} more" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more
