"""Whether a model's own network may run here, and from where."""

import shutil
from pathlib import Path

from mlflow.entities import LoggedModel

from dynst.models.registry import BACKBONES
from dynst_platform.errors import RefusedError
from dynst_platform.file_list import FileList, file_list, list_digest
from dynst_platform.network_code.own_modules import is_here
from dynst_platform.network_code.trust import is_trusted, remember
from dynst_platform.text import printable

__all__ = ["code_to_run"]

CODE, OURS = "code", "dynst"  # folders of a logged model, and in it


def code_to_run(
    root: Path, backbone: str, model: LoggedModel, trust: bool, scratch: Path
) -> Path | None:
    """The folder that a network of the user's own is to be imported from, as it was logged.

    None where nothing but what is installed here runs: for a backbone of DynST, and where an
    import here finds the same files.

    Args:
        root: a copy of the logged model, checked.
        backbone: its name in the model's description.
        model: for messages.
        trust: whether the user trusts the code, from now on.
        scratch: where the folder is made.

    Raises:
        RefusedError: the code is not trusted here; its notes name the files.
    """
    if backbone in BACKBONES or not (root / CODE).is_dir():
        return None
    files = {
        path: digest
        for path, digest in file_list(root / CODE).items()
        if path.partition("/")[0] != OURS
    }
    if is_here(files):
        return None
    if trust:
        remember(files)
    elif not is_trusted(files):
        raise _refusal(backbone, model, files)
    for path in files:
        target = scratch / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / CODE / path, target)
    return scratch


def _refusal(backbone: str, model: LoggedModel, files: FileList) -> RefusedError:
    digest = list_digest(files)[:12]
    error = RefusedError(
        f"model {model.model_id} of run {model.source_run_id} runs code that was logged with it "
        f"({printable(backbone)}), which is not trusted here and is not what an import here finds; "
        f"read its files in MLflow, then add --trust-code once (digest {digest}…)"
    )
    for path, content in files.items():
        error.add_note(f"  {CODE}/{printable(path)}  {content[:12]}…")
    return error
