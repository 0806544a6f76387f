"""A virtual environment for independent implementations, made once and kept in a cache folder."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

__all__ = ["CACHE", "PACKAGES", "PeerError", "python_with", "run"]

ROOT = Path(__file__).parents[2]
CACHE = Path.home() / ".cache" / "dynst-peers"
# ours, so that an epoch of theirs and of ours run the same kernels
TORCH = f"torch=={version('torch').partition('+')[0]}"
SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "PYTORCH_JIT": "0",
}  # what tsl compiles at import would need torch-scatter
LAST_LINES = 30

PACKAGES: dict[str, list[list[str]]] = {
    # BasicTS pins a setuptools of 2021, which no recent torch accepts: of its requirements only
    # what it imports is put in.
    "basicts": [
        ["--no-deps", "basicts==1.1.0", "easy-torch==1.3.3"],
        [
            "easydict",
            "einops",
            "numpy",
            "packaging",
            "scipy",
            "setproctitle",
            "tensorboard",
            "tqdm",
        ],
    ],
    # tsl does not say that it needs torch-geometric, torch-scatter and torch-sparse; peer_sparse.py
    # stands in for the last two.
    "tsl": [["torch-spatiotemporal==0.9.5", "torch-geometric==2.8.1"]],
}
"""What pip installs beside torch, one call after another.

The two get on in one environment, so torch is there once.
"""


class PeerError(Exception):
    """A peer cannot be installed or run; the text has the last lines of what it said."""


def python_with(packages: str, cache: Path) -> Path:
    """The interpreter of the environment, which is made, or given these packages, where the cache
    has none of these versions.
    """
    home = cache / TORCH
    python, stamp, pinned = (
        home / "bin" / "python",
        home / f"{packages}.json",
        home / "constraints.txt",
    )
    steps = PACKAGES[packages]
    if stamp.is_file() and json.loads(stamp.read_text()) == steps:
        return python
    if not pinned.is_file():
        run([sys.executable, "-m", "venv", "--clear", str(home)], "the virtual environment")
        pinned.write_text(f"{TORCH}\n")
    for step in [[TORCH], *steps]:
        run(
            [str(python), "-m", "pip", "install", "--quiet", "--constraint", str(pinned), *step],
            f"pip install {' '.join(step)}",
        )
    stamp.write_text(json.dumps(steps))
    return python


def run(command: list[str], what: str) -> str:
    """What a command printed, on one thread.

    It runs in the root of the repository, where it finds ``benchmarks``. PYTHONPATH is removed.
    """
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONPATH"
    } | SETTINGS
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-LAST_LINES:])
        raise PeerError(f"{what} failed with exit status {done.returncode}:\n{tail}")
    return done.stdout
