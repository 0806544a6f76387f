"""Where files lie that MLflow has recorded by an absolute path: in a home that was moved, the same
place below the present folder of artifacts.
"""

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from dynst_platform.config.locations import artifact_root
from dynst_platform.config.moved import counterpart

__all__ = ["local_path", "present_path"]


def local_path(uri: str) -> Path | None:
    """The path that an address names; None where it lies on no disk of ours."""
    if uri.startswith("/"):
        return Path(uri)
    parts = urlsplit(uri)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def present_path(uri: str, least: int = 3) -> Path | None:
    """Of a recorded folder: where it is, else its counterpart here; None where neither exists.

    Its ``least`` last names or more must agree; of three one is the id of a run or model.
    """
    recorded = local_path(uri)
    if recorded is None or recorded.exists():
        return recorded
    root = local_path(artifact_root() or "")
    return None if root is None else counterpart(recorded, root, least)
