"""Virtual environments for other people's implementations, made once and kept in a cache folder outside the repository."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from shutil import rmtree

__all__ = ["CACHE", "ENVIRONMENTS", "PeerError", "python_of"]

CACHE = Path.home() / ".cache" / "dynst-peers"
TORCH = f"torch=={version('torch').partition('+')[0]}"  # ours, so that an epoch of theirs and of ours run the same kernels
LAST_LINES = 30

ENVIRONMENTS: dict[str, list[list[str]]] = {
    # BasicTS pins a setuptools of 2021, which no recent torch accepts: of its requirements only what it imports is put in.
    "basicts": [
        [TORCH, "numpy"],
        ["--no-deps", "basicts==1.1.0", "easy-torch==1.3.3"],
        ["easydict", "einops", "packaging", "scipy", "setproctitle", "tensorboard", "tqdm"],
    ],
    # torch-scatter and torch-sparse are built from source against that torch: minutes, and a C++ compiler.
    "tsl": [
        [TORCH, "numpy", "scipy", "setuptools<81", "wheel"],
        ["--no-build-isolation", "torch-scatter==2.1.2", "torch-sparse==0.6.18"],
        ["torch-spatiotemporal==0.9.5"],
    ],
}
"""What pip installs, one call after another."""


class PeerError(Exception):
    """A peer cannot be installed or run; the text has the last lines of what it said."""


def python_of(name: str, cache: Path) -> Path:
    """The interpreter of an environment, which is made where the cache has none of these very packages."""
    home, steps = cache / name, ENVIRONMENTS[name]
    python, stamp = home / "bin" / "python", home / "installed.json"
    if stamp.is_file() and json.loads(stamp.read_text()) == steps:
        return python
    rmtree(home, ignore_errors=True)
    run([sys.executable, "-m", "venv", str(home)], f"the environment {name}")
    pinned = home / "constraints.txt"
    pinned.write_text(f"{TORCH}\n")
    for step in steps:
        run([str(python), "-m", "pip", "install", "--quiet", "--constraint", str(pinned), *step], f"pip install {' '.join(step)}")
    stamp.write_text(json.dumps(steps))
    return python


def run(command: list[str], what: str, threads: int = 1) -> str:
    """What a command printed; PYTHONPATH is taken away, so that nothing of ours is imported."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"OMP_NUM_THREADS": str(threads), "MAX_JOBS": "1", "FORCE_ONLY_CPU": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-LAST_LINES:])
        raise PeerError(f"{what} failed with exit status {done.returncode}:\n{tail}")
    return done.stdout
