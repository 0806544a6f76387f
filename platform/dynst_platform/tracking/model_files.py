"""The files of a logged model: their list, which is made before they are uploaded, and the check of
a copy against it.

The tag ``dynst.files`` holds the version of the list and its digest, and is what is trusted. The
list lies beside the files, so that what was changed can be named. Models of an earlier DynST have
the tag ``dynst.digest`` alone, which covers weights and description.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from dynst.errors import ArtifactError
from dynst_platform.file_list import FileList, differences, file_list, list_digest

__all__ = ["FILES_TAG", "JOB", "WEIGHTS_TAG", "are_covered", "check_files", "write_list"]

FILES_TAG, WEIGHTS_TAG = "dynst.files", "dynst.digest"
LIST, VERSION = "dynst_files.json", "1"
JOB = "job.yaml"  # of its training
OF_MLFLOW = "registered_model_meta"  # written beside MLmodel at a download; nothing reads it


def write_list(folder: Path) -> str:
    """Write the list of all files of a model that is about to be uploaded; returns the tag."""
    files = _listed(folder)
    document = {"version": int(VERSION), "files": files}
    (folder / LIST).write_text(json.dumps(document, indent=1), encoding="utf-8")
    return f"{VERSION}:{list_digest(files)}"


def are_covered(tags: Mapping[str, str]) -> bool:
    """Whether all files are, and not the weights alone."""
    return FILES_TAG in tags


def check_files(folder: Path, tags: Mapping[str, str], model_id: str) -> None:
    """Hold the copy of a logged model in ``folder`` against its tag; nothing of it is run.

    A model without the tag has no list, and passes.

    Raises:
        ArtifactError: a file was changed, added or removed since it was logged, or the list is of a
            later version.
    """
    if not are_covered(tags):
        if (folder / LIST).exists():
            raise ArtifactError(
                f"model {model_id} must have the tag {FILES_TAG}, since it has the file {LIST}, "
                f"but has none; the tag was removed, so train again or restore it"
            )
        return
    version, _, digest = tags[FILES_TAG].partition(":")
    if version != VERSION:
        raise ArtifactError(
            f"the tag {FILES_TAG} of model {model_id} must be of version {VERSION}, but is of "
            f"version {version}; read it with the DynST that wrote it, or a later one"
        )
    found = _listed(folder)
    if list_digest(found) != digest:
        raise ArtifactError(
            f"the files of model {model_id} are not those that were logged "
            f"({_what_differs(folder, digest, found)}); they were changed since, so train again or "
            f"restore them"
        )


def _listed(folder: Path) -> dict[str, str]:
    return {
        path: digest for path, digest in file_list(folder).items() if path not in (LIST, OF_MLFLOW)
    }


def _what_differs(folder: Path, digest: str, found: FileList) -> str:
    try:
        wanted = dict(json.loads((folder / LIST).read_text(encoding="utf-8"))["files"])
        trusted = list_digest(wanted) == digest
    except (OSError, ValueError, TypeError, KeyError):
        trusted = False
    return differences(wanted, found) if trusted else f"and their list {LIST} was changed too"
