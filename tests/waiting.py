"""Waiting for what another process does: with a deadline, and a sentence that says what did not
come.
"""

import subprocess
import time
from collections.abc import Callable
from typing import Any

__all__ = ["PATIENCE", "wait_until"]

PATIENCE = 600.0  # seconds; of a machine that is busy with other things


def wait_until(
    what: str,
    ready: Callable[[], Any],
    process: "subprocess.Popen[Any] | None" = None,
    said: Callable[[], str] = str,
    seconds: float = PATIENCE,
) -> Any:
    """Return the first true answer of ``ready``.

    Fails where ``process`` ends before, or time is up.

    Args:
        said: what is shown then beside the sentence, for instance a log.
    """
    deadline = time.monotonic() + seconds
    while not (found := ready()):
        assert process is None or process.poll() is None, (
            f"the process ended before {what}: {said()}"
        )
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}: {said()}"
        time.sleep(0.1)
    return found
