"""DynST's own packages as they travel: their files alone, whatever else lies in a checkout."""

import shutil
from pathlib import Path
from types import ModuleType

__all__ = ["copy_package"]

SUFFIXES = {".py", ".typed", ".html"}


def copy_package(package: ModuleType, folder: Path) -> None:
    """A package of ours into ``folder``, below its name."""
    source = Path(str(package.__file__)).parent
    for file in source.rglob("*"):
        short = file.relative_to(source)
        hidden = any(part.startswith(".") for part in short.parts)
        if file.is_file() and file.suffix in SUFFIXES and not hidden:
            target = folder / source.name / short
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
