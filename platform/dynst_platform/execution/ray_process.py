"""The process of a Ray of our own, seen from the command that starts it.

Ray needs seconds to start, in which a command can read its data, and it can be ended meanwhile.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from dynst_platform.errors import RunError

__all__ = ["RayProcess", "begun_early", "ray_of_our_own"]

HEAD = "dynst_platform.execution.ray_head"
SIGNALS = {signal.SIGINT, signal.SIGHUP, signal.SIGTERM}
END_SECONDS = 30.0


class RayProcess:
    """Starts at once.

    A closed terminal, and whoever ends all processes of a batch job, sends signals to Ray's
    processes too. They do not follow them: the command ends its Ray once it has ended its work,
    and would itself be ended at once if its raylet were gone before. Where the command is gone,
    its Ray ends too.
    """

    def __init__(self, dashboard: bool = False) -> None:
        command = [sys.executable, "-m", HEAD, *(["--dashboard"] if dashboard else [])]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._said: dict[str, str] = {}

    def address(self) -> str:
        """Host and port, once it runs.

        Raises:
            RunError: it cannot be started.
        """
        if not self._said:
            self._said = json.loads(_pipe(self._process.stdout).readline() or "{}")
        if "address" not in self._said:
            raise RunError(
                f"Ray cannot be started on this machine "
                f"({self._said.get('error', 'its process ended')}); see to its folder "
                f"{self._said.get('folder', '')} and to free memory, or do without it: "
                f"cluster.num_workers=0"
            )
        return self._said["address"]

    def end(self) -> None:
        """In order where it runs, and at once where it is still starting."""
        if not self._said:
            self._process.kill()
        with suppress(OSError):
            _pipe(self._process.stdin).close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _pipe(self._process.stdout).close()


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


_early: list[RayProcess] = []


@contextmanager
def begun_early(wanted: bool) -> Iterator[None]:
    """Where it is ``wanted``, a Ray starts for the ``ray_of_our_own`` inside, or for nobody."""
    if not wanted:
        yield
        return
    _absolute_python_path()
    process = RayProcess()
    _early.append(process)
    try:
        yield
    finally:
        if process in _early:
            _early.remove(process)
            process.end()


@contextmanager
def ray_of_our_own(dashboard: bool = False) -> Iterator[RayProcess]:
    """It ends with the block."""
    _absolute_python_path()
    process = _early.pop() if _early and not dashboard else RayProcess(dashboard)
    try:
        yield process
    finally:
        process.end()


def _absolute_python_path() -> None:
    """Ray's processes run in other folders."""
    if "PYTHONPATH" in os.environ:
        os.environ["PYTHONPATH"] = os.pathsep.join(
            os.path.abspath(path) for path in os.environ["PYTHONPATH"].split(os.pathsep)
        )
