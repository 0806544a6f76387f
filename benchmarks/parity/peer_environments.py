"""A virtual environment for independent implementations, made once and kept in a cache folder."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.support.commands import ROOT

__all__ = ["CACHE", "PACKAGES", "PeerError", "python_with", "run"]

CACHE = Path.home() / ".cache" / "dynst-peers"
TORCH = f"torch=={version('torch').partition('+')[0]}"  # as ours, so that kernels are the same
# What tsl compiles at import would need torch-scatter.
SETTINGS = {"OMP_NUM_THREADS": "1", "PYTORCH_JIT": "0"}
LAST_LINES = 30

PACKAGES: dict[str, list[list[str]]] = {
    # BasicTS pins a setuptools of 2021, which no recent torch accepts. Of its requirements only
    # those that it imports are installed.
    "basicts": [
        ["--no-deps", "basicts==1.1.0", "easy-torch==1.3.3"],
        ["easydict", "einops", "numpy", "packaging", "scipy"],
        ["setproctitle", "tensorboard", "tqdm"],
    ],
    # tsl does not say that it needs torch-geometric, torch-scatter and torch-sparse; peer_sparse.py
    # stands in for the last two.
    "tsl": [["torch-spatiotemporal==0.9.5", "torch-geometric==2.8.1"]],
}
"""What pip installs beside torch, one call after another.

Both work in one environment, so torch is there once.
"""


class PeerError(Exception):
    """A peer cannot be installed or run; the text has its last lines of output."""


def python_with(packages: str, cache: Path) -> Path:
    """The interpreter of the environment.

    The environment is made where the cache has none, and gets what it lacks of these packages.
    """
    home, steps = cache / TORCH, PACKAGES[packages]
    python, stamp = home / "bin" / "python", home / f"{packages}.json"
    pinned = home / "constraints.txt"
    if stamp.is_file() and json.loads(stamp.read_text()) == steps:
        return python
    if not pinned.is_file():
        run([sys.executable, "-m", "venv", "--clear", str(home)], "the virtual environment")
        pinned.write_text(f"{TORCH}\n")
    install = [str(python), "-m", "pip", "install", "--quiet", "--constraint", str(pinned)]
    for step in [[TORCH], *steps]:
        run([*install, *step], f"pip install {' '.join(step)}")
    stamp.write_text(json.dumps(steps))
    return python


def run(command: list[str], what: str) -> str:
    """What a command printed, on one thread.

    It runs in the root of the repository, where it finds ``benchmarks``. PYTHONPATH is removed.
    """
    known = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=ROOT, env=known | SETTINGS, capture_output=True, text=True, check=False
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-LAST_LINES:])
        raise PeerError(f"{what} failed with exit status {done.returncode}:\n{tail}")
    return done.stdout
