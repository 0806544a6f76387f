"""Where modules lie, found without an import, and which distributions hold them."""

import json
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ModuleSpec
from importlib.metadata import Distribution, distribution
from pathlib import Path

__all__ = ["Module", "distributions_of", "is_of_python", "module_below", "outermost_module"]

SUFFIXES = EXTENSION_SUFFIXES + SOURCE_SUFFIXES + BYTECODE_SUFFIXES
INSTALLED = {"site-packages", "dist-packages"}


@dataclass(frozen=True)
class Module:
    """A module's file, which a namespace package lacks, and the folders of its submodules."""

    name: str
    file: Path | None
    folders: tuple[Path, ...] = ()

    @property
    def place(self) -> Path:
        """Its file or its first folder."""
        return self.folders[0] if self.folders else Path(str(self.file))

    @property
    def path(self) -> str:
        """Where its file lies below the folder that it is imported from."""
        parts = self.name.split(".")
        return "/".join([*(parts if self.folders else parts[:-1]), Path(str(self.file)).name])


def outermost_module(name: str) -> Module | None:
    """The module that is imported already, else the one that an import would find.

    None where there is none, or where it has no file, as some that are part of Python.
    """
    spec = getattr(sys.modules.get(name), "__spec__", None) or _spec(name)
    if spec is None or (spec.origin is not None and not spec.has_location):
        return None
    folders = tuple(Path(folder).absolute() for folder in spec.submodule_search_locations or ())
    file = None if spec.origin is None else Path(spec.origin).absolute()
    return Module(name, file, folders) if file or folders else None


def _spec(name: str) -> ModuleSpec | None:
    specs = (finder.find_spec(name, None) for finder in sys.meta_path)
    return next((spec for spec in specs if spec is not None), None)


def module_below(parent: Module, name: str) -> Module | None:
    """The submodule ``name`` of a package."""
    full = f"{parent.name}.{name}"
    for folder in parent.folders:
        package = folder / name
        if (inside := _first(package / f"__init__{suffix}" for suffix in SUFFIXES)) is not None:
            return Module(full, inside, (package,))
        if (file := _first(folder / f"{name}{suffix}" for suffix in SUFFIXES)) is not None:
            return Module(full, file)
    spaces = tuple(folder / name for folder in parent.folders if (folder / name).is_dir())
    return Module(full, None, spaces) if spaces else None


def _first(paths: Iterable[Path]) -> Path | None:
    return next((path for path in paths if path.is_file()), None)


def is_of_python(module: Module) -> bool:
    """Whether it is part of the standard library."""
    folders = {Path(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib")}
    return not INSTALLED & set(module.place.parts) and bool(folders & set(module.place.parents))


def distributions_of(module: Module, known: Mapping[str, Sequence[str]]) -> list[str]:
    """The distributions that an outermost module was installed by from a package index.

    A package in a folder of the user's own belongs to none, and neither does one that was
    installed from a folder or a repository: their version alone brings them nowhere else.

    Args:
        module: without a module around it.
        known: distributions by the names of their outermost modules.
    """
    names = sorted(set(known.get(module.name, ())))
    return [name for name in names if _installed(distribution(name), module.place)]


def _installed(found: Distribution, place: Path) -> bool:
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    if {"dir_info", "vcs_info"} & origin.keys():
        return False
    return bool(INSTALLED & set(place.parts)) or _holds(found, place)


def _holds(found: Distribution, place: Path) -> bool:
    """Whether it was unpacked there, as by ``pip install --target``."""
    if found.read_text("RECORD") is None:
        return False
    files = (Path(str(found.locate_file(file))).absolute() for file in found.files or ())
    return any(file == place or place in file.parents for file in files)
