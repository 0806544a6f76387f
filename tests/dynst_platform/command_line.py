"""The command line for tests: in a process of its own, as a user has it, or in this one, where only
what it says matters.
"""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dynst_platform.main import main

__all__ = ["COMMAND", "JOB", "clean_environment", "dynst", "dynst_here"]

COMMAND = [sys.executable, "-m", "dynst_platform.main"]
JOB = """\
name: small
data: {{store: "{store}"}}
model:
  {{window: 6, horizon: 3, hidden: 16, embedding: 4,
   backbone: {{name: morph_graph, options: {{blocks: 1}}}}}}
training: {{epochs: 4, steps_per_epoch: 5, batch_size: 16}}
sparsity: {{final: 0.5, rounds: 4, probe_every: 1}}
cluster: {{num_workers: 0}}
"""
OF_ANOTHER_RUN = {"MLFLOW_TRACKING_URI", "DYNST_HOME"}


def clean_environment(**more: str) -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in OF_ANOTHER_RUN} | more


def dynst(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A real process: its exit code, and what it prints where."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=cwd,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def dynst_here(
    *arguments: str | Path, cwd: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The same entry point called in this process, which saves a start of Python and its imports
    (two seconds).

    Args:
        environment: variables that it has beside those of this process.
    """
    words, out, err = ["dynst", *map(str, arguments)], io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.chdir(cwd)
        for name in OF_ANOTHER_RUN:
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", words)
        code = _exit_code()
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def _exit_code() -> int:
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
