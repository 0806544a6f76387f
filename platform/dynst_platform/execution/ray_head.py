"""The process in which a Ray of our own lives until its standard input ends.

    python -m dynst_platform.execution.ray_head [--dashboard]

It says on standard output, as one line of JSON, where that Ray is or why there is none.
"""

import json
import logging
import os
import sys
from contextlib import nullcontext, suppress
from tempfile import gettempdir
from typing import Any

import ray

from dynst.errors import in_one_line
from dynst_platform.compat.node import SYSTEM, few_processes

__all__ = ["IN_FOLDER", "LONGEST_FOLDER", "cpus_here", "main", "settings"]

SHORT = "/tmp"
IN_FOLDER = "/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.1"  # the longest
LONGEST_FOLDER = 107 - len(IN_FOLDER)  # Linux ends a socket's path there
logger = logging.getLogger(__name__)


def main() -> None:
    answer = os.dup(1)
    os.dup2(2, 1)  # what Ray prints is no answer
    try:
        said = {"address": _start("--dashboard" in sys.argv)}
    except Exception as error:  # Ray has no class of its own for a start that failed
        said = {"error": in_one_line(error), "folder": settings()["_temp_dir"]}
    with suppress(BrokenPipeError):
        os.write(answer, json.dumps(said).encode() + b"\n")
    sys.stdin.buffer.read()
    ray.shutdown()


def _start(dashboard: bool) -> str:
    """Where others reach it.

    Workers of other machines, and pages about workers, need what ``few_processes`` leaves out.
    """
    with nullcontext() if dashboard else few_processes():
        ray.init(include_dashboard=dashboard, **settings())
    return str(ray.get_runtime_context().gcs_address)


def settings() -> dict[str, Any]:
    """Of ``ray.init``."""
    return {
        "address": "local",
        "num_cpus": cpus_here(),
        "object_store_memory": 256 * 2**20,
        "log_to_driver": False,
        "configure_logging": False,
        "_temp_dir": f"{_short_folder()}/ray",
        "_system_config": SYSTEM,
    }


def cpus_here() -> int:
    """As many as this process may use: what its affinity and the quota of its container leave it,
    and at least one.

    Ray itself overlooks the affinity, and takes half a CPU for none.
    """
    from joblib import cpu_count  # noqa: PLC0415 (a quarter of a second, which workers do not need)

    count: int = cpu_count()
    return count


def _short_folder() -> str:
    """Where Ray's sockets find room, whose paths the system cuts off: the folder for temporary
    files if it is short enough.
    """
    folder = os.path.abspath(os.environ.get("RAY_TMPDIR") or gettempdir())
    if len(os.fsencode(folder)) <= LONGEST_FOLDER:
        return folder
    logger.info("%s is too long for Ray's sockets; they lie in %s", folder, SHORT)
    return SHORT


if __name__ == "__main__":
    main()
