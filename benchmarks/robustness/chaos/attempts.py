"""A process of the command line that may be killed, and how it ended."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.support.commands import python_module

__all__ = ["PATIENCE", "Attempt", "Ended"]

REFUSED = 3  # a promotion, whose reasons are its outcome
PATIENCE = 600.0  # seconds for what nobody disturbs any more


@dataclass(frozen=True)
class Ended:
    """``code`` is negative where a signal ended it."""

    code: int
    out: str
    err: str

    @property
    def faults(self) -> list[str]:
        """Of an ending of its own: it is silent, or it is a traceback."""
        last = (self.err.strip().splitlines() or ["nothing"])[-1]
        if "Traceback (most recent call last)" in self.err + self.out:
            return [f"a traceback: {last}"]
        said = any(line.startswith("dynst: ") for line in self.err.splitlines())
        decided = self.code == REFUSED and self.out.startswith("{")
        if self.code > 0 and not (said or decided):
            return [f"exit code {self.code} without a sentence: {last}"]
        return []


class Attempt:
    """One process.

    Args:
        words: of the command line.
        variables: of its environment.
        folder: for what it writes.
    """

    def __init__(self, words: list[str], variables: dict[str, str], folder: Path) -> None:
        self._out, self._err = folder / "out.txt", folder / "err.txt"
        with self._out.open("w") as out, self._err.open("w") as err:
            self._process = subprocess.Popen(
                python_module("dynst_platform.main", *words),
                env=variables,
                stdout=out,
                stderr=err,
            )
        self._began = time.monotonic()

    def goes_on_until(self, seconds: float) -> bool:
        """Wait until so long after its start; whether it is still there."""
        try:
            self._process.wait(max(0.0, self._began + seconds - time.monotonic()))
        except subprocess.TimeoutExpired:
            return True
        return False

    @property
    def goes_on(self) -> bool:
        return self._process.poll() is None

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def kill(self, by: int = signal.SIGKILL) -> None:
        os.kill(self._process.pid, by)

    def ended(self) -> Ended:
        """Wait for its end; a process that never comes to it is killed, and a fault."""
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return Ended(1, "", f"no end within {PATIENCE:.0f} s")
        return Ended(self._process.returncode, self._out.read_text(), self._err.read_text())
