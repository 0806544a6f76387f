"""The manifest as the file that a store has: with a checksum of its own."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dynst.data.clock import COUNTED
from dynst.data.manifest import FORMAT_VERSION, Manifest
from dynst.errors import DataError
from dynst.storage.files import replace_text

__all__ = ["MANIFEST", "manifest_bytes", "parse_manifest", "read_manifest", "write_manifest"]

MANIFEST = "manifest.json"
CHECKSUM = "checksum"
FIRST_WITH_CHECKSUM = 3


def read_manifest(path: Path) -> Manifest:
    """The manifest of the store in a folder.

    Raises:
        DataError: the folder has none, or one that ``parse_manifest`` refuses.
    """
    return parse_manifest(manifest_bytes(path), path / MANIFEST)


def manifest_bytes(path: Path) -> bytes:
    """Raises DataError where the folder has no manifest."""
    file = path / MANIFEST
    if not file.is_file():
        raise DataError(
            f"no sensor store at {path} (it has no {MANIFEST}); name the folder that an import "
            f"wrote"
        )
    return file.read_bytes()


def parse_manifest(content: bytes, file: Path) -> Manifest:
    """The manifest that a file holds.

    Args:
        content: of the file.
        file: for the message.

    Raises:
        DataError: it is none of a known format version, or was changed since it was written.
    """
    try:
        document = json.loads(content)
        manifest = Manifest.model_validate(_upgraded(_without_checksum(document)))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "document"
        raise DataError(
            f"{file} is no manifest of format version {FORMAT_VERSION}: at '{place}': "
            f"{first['msg']}; import the data again"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{file} is no manifest of format version {FORMAT_VERSION}: it is no JSON; import the "
            f"data again"
        ) from error
    if _has_checksum(document) and document.get(CHECKSUM) != _checksum(document):
        raise DataError(
            f"{file} must be what the import wrote, but was changed since; put the old file back, "
            f"or import the data again"
        )
    return manifest


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Put it into a store's folder, whole or not at all."""
    document = json.loads(manifest.model_dump_json())
    document[CHECKSUM] = _checksum(document)
    replace_text(path / MANIFEST, json.dumps(document, indent=2))


def _has_checksum(document: dict[str, Any]) -> bool:
    version = document.get("version", 1)
    return isinstance(version, int) and version >= FIRST_WITH_CHECKSUM


def _upgraded(document: Any) -> Any:
    """What an earlier version wrote, as one of today; its digest stays and keeps its own rule."""
    if not isinstance(document, dict) or document.get("version", 1) not in (1, 2):
        return document
    upgraded = document | {"version": FORMAT_VERSION, "digest_version": 1, "files": {}}
    if document.get("version", 1) == 2:
        return upgraded
    if "step_seconds" in upgraded:
        upgraded["step"] = upgraded.pop("step_seconds")
    if not upgraded.pop("timed", True):
        upgraded["clock"] = COUNTED
    if isinstance(upgraded.get("start"), str):
        upgraded["start"] = upgraded["start"].replace("T", " ")
    return upgraded


def _without_checksum(document: Any) -> Any:
    if not isinstance(document, dict):
        return document
    return {key: value for key, value in document.items() if key != CHECKSUM}


def _checksum(document: dict[str, Any]) -> str:
    """Of all other fields, as JSON with sorted keys."""
    text = json.dumps(_without_checksum(document), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
