"""The command line of DynST in processes of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = [
    "JOBS",
    "QUICKSTART",
    "ROOT",
    "assignments",
    "dynst",
    "environment",
    "outcome",
    "python_module",
]

ROOT = Path(__file__).parents[2]
JOBS = ROOT / "jobs"
QUICKSTART = JOBS / "quickstart.yaml"


def dynst(command: str, *words: str) -> list[str]:
    """A subcommand that prints its outcome as JSON."""
    return python_module("dynst_platform.main", command, *words, "--format", "json")


def python_module(name: str, *words: str) -> list[str]:
    return [sys.executable, "-m", name, *words]


def assignments(settings: Iterable[str]) -> list[str]:
    """Settings ``KEY=VALUE`` of a job, as words of the command line."""
    return [word for setting in settings for word in ("--set", setting)]


def environment(home: str | Path, **variables: str) -> dict[str, str]:
    """Ours, with a home of the benchmark's own, and with the tracking store in that home."""
    known = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return known | {"DYNST_HOME": str(home)} | variables


def outcome(command: list[str], variables: dict[str, str], quiet: bool = False) -> dict[str, Any]:
    """The JSON that a command prints; ``quiet`` drops what it writes to standard error."""
    stderr = subprocess.DEVNULL if quiet else None
    done = subprocess.run(command, env=variables, check=True, stdout=subprocess.PIPE, stderr=stderr)
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed
