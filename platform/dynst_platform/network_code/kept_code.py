"""The code of a user's own network in the folder of a run, which keeps it as it was trained."""

import sys
from pathlib import Path

from dynst_platform.network_code.own_modules import OwnModules

__all__ = ["CODE", "import_kept_code", "kept_code"]

CODE = "code"  # in a run's folder


def kept_code(folder: Path) -> OwnModules:
    """Inside, the user's own network is imported as it was trained, where it was kept."""
    return OwnModules(folder / CODE if (folder / CODE).is_dir() else None)


def import_kept_code(folder: Path) -> None:
    """Let the user's own network be imported from the run's folder where it is nowhere else."""
    code = str(folder / CODE)
    if Path(code).is_dir() and code not in sys.path:
        sys.path.append(code)
