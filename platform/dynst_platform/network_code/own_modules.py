"""Code of a network in place of whatever modules of the same names are here."""

import importlib
import sys
from pathlib import Path
from threading import RLock
from types import ModuleType, TracebackType

from dynst_platform.file_list import FileList, sha256
from dynst_platform.network_code.modules import outermost_module

__all__ = ["OwnModules", "is_here"]

LOCK = RLock()  # what a process imports is one for all of its threads


class OwnModules:
    """Inside, modules are imported from ``folder`` first; what was imported before is set aside.

    It may be entered again, and then has the modules that it had.

    Args:
        folder: with the files of a network's code; None changes nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._names = (
            set() if folder is None else {_outermost(path.name) for path in folder.iterdir()}
        )
        self._inside: dict[str, ModuleType] = {}
        self._outside: list[dict[str, ModuleType]] = []

    def __enter__(self) -> "OwnModules":
        if self._folder is None:
            return self
        LOCK.acquire()
        self._outside.append(self._exchanged(self._inside))
        sys.path.insert(0, str(self._folder))
        importlib.invalidate_caches()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._folder is None:
            return
        sys.path.remove(str(self._folder))
        self._inside = self._exchanged(self._outside.pop())
        LOCK.release()

    def _exchanged(self, modules: dict[str, ModuleType]) -> dict[str, ModuleType]:
        """Imports of these names are ``modules`` from now on; returns those until now."""
        before = {name: sys.modules[name] for name in list(sys.modules) if self._is_own(name)}
        for name in before:
            del sys.modules[name]
        sys.modules.update(modules)
        return before

    def _is_own(self, name: str) -> bool:
        return name.partition(".")[0] in self._names


def is_here(files: FileList) -> bool:
    """Whether an import here finds each of these files with the same content."""
    return all(_found(path) == digest for path, digest in files.items())


def _found(path: str) -> str | None:
    """SHA-256 of the file that stands here for one of a network's code."""
    module = outermost_module(_outermost(path.partition("/")[0]))
    if module is None:
        return None
    roots = [folder.parent for folder in module.folders] or [module.place.parent]
    places = [root / path for root in roots if (root / path).is_file()]
    return sha256(places[0]) if places else None


def _outermost(name: str) -> str:
    """The module of a file or folder, also of an extension such as ``net.cpython-311.so``."""
    return name.partition(".")[0]
