"""Where progress is shown: standard error, drawn over in place only on a terminal."""

import os
import sys

from rich.console import Console

__all__ = ["progress_console"]


def progress_console(quiet: bool = False) -> Console:
    """Its ``is_terminal`` says whether bars can be drawn: not in a file, nor in a CI log that asks
    for colours, nor on a terminal that cannot move its cursor. Nothing is printed where
    ``quiet``.
    """
    watched = sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    return Console(stderr=True, force_terminal=watched and not quiet, quiet=quiet)
