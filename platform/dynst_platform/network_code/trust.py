"""Which code of others a user lets run here, by its digest."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dynst.errors import DataError
from dynst.storage.files import replace_text
from dynst_platform.config.locations import home
from dynst_platform.file_list import FileList, list_digest
from dynst_platform.forms import VERSION, todays

__all__ = ["TRUSTED", "is_trusted", "remember"]

TRUSTED = "trusted-code.json"


def is_trusted(files: FileList) -> bool:
    """Whether exactly these files were trusted before, in this home folder."""
    return list_digest(files) in _known()


def remember(files: FileList) -> None:
    """Trust exactly these files from now on."""
    entry = {"files": sorted(files), "at": datetime.now(UTC).isoformat(timespec="seconds")}
    home().mkdir(parents=True, exist_ok=True)
    document = {VERSION: 1, "trusted": _known() | {list_digest(files): entry}}
    replace_text(_path(), json.dumps(document, indent=2))


def _path() -> Path:
    return home() / TRUSTED


def _known() -> dict[str, Any]:
    """Entries by digest.

    Raises:
        DataError: the file is damaged, or of a later version.
    """
    path = _path()
    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return dict(todays(document, str(path))["trusted"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"{path} must hold the code that is trusted here, but cannot be read ({error}); remove "
            f"it, and trust what is needed again"
        ) from error
