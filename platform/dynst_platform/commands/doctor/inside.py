"""What ``dynst doctor`` wants to know of a cluster, asked from inside of it."""

import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dynst_platform.config.locations import home, storage, tracking_uri
from dynst_platform.config.tracking_address import sqlite_file
from dynst_platform.errors import StorageError, TrackingError
from dynst_platform.execution.local_ray import local_ray
from dynst_platform.execution.nodes import facts_of_nodes
from dynst_platform.log import quiet_libraries
from dynst_platform.tracking.clients import reader_of
from dynst_platform.tracking.reaching import as_tracking_error
from dynst_platform.tracking.shared_folder import SharedFolder

__all__ = ["look_around"]

COUNT = "import torch; print(torch.cuda.device_count())"


def look_around() -> dict[str, Any]:
    """Plain data: ``nodes`` are fields of ``NodeFacts``, whose ``extra`` says how MLflow answers
    there and what PyTorch sees.
    """
    quiet_libraries()
    with local_ray(address="auto"):
        nodes = facts_of_nodes(home(), [], _from_here, shared=storage() is None)
    return {
        "home": str(home()) if "DYNST_HOME" in os.environ else None,
        "nodes": [asdict(facts) for facts in nodes],
    }


def _from_here() -> dict[str, str]:
    """On a node. ``tracking`` is empty where MLflow answers, and ``storage`` where it can be
    written, if there is one.
    """
    return {
        "tracking": _tracking_error(),
        "storage": _storage_error(),
        "torch_gpus": _gpus_of_torch(),
        "folder": str(Path.cwd()),
    }


def _tracking_error() -> str:
    if sqlite_file(tracking_uri()):
        return ""
    try:
        with as_tracking_error(tracking_uri()):
            reader_of(tracking_uri()).search_experiments(max_results=1)
    except TrackingError as error:
        return str(error)
    return ""


def _storage_error() -> str:
    try:
        SharedFolder(home(), storage()).check_writable()
    except StorageError as error:
        return str(error)
    return ""


def _gpus_of_torch() -> str:
    """Asked in a process of its own, since Ray hides GPUs from workers that asked for none."""
    if not list(Path("/dev").glob("nvidia[0-9]*")):
        return "0"
    known = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    done = subprocess.run(
        [sys.executable, "-c", COUNT],
        env=known,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.stdout.strip() or "0"
