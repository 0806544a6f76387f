"""What every figure has in common: names in it are shown as they are, and one that fails is a
note.
"""

import logging
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from threading import RLock
from typing import ParamSpec

from matplotlib import rc_context

from dynst.errors import in_one_line
from dynst.storage.addresses import without_credentials
from dynst.storage.files import replace_text
from dynst_platform.text import printable

__all__ = ["drawn", "label", "picture_or_note", "plain_texts", "title_text"]

Arguments = ParamSpec("Arguments")
MOST, MOST_OF_TITLE = 60, 120  # characters
NOTE = "-not-drawn.txt"  # beside where the figure would be
WITHOUT = r"Glyph \d+|Matplotlib currently does not support \w+ natively"  # a box stands for it
ONE_AT_A_TIME = RLock()  # matplotlib's settings belong to the whole process
logger = logging.getLogger(__name__)


def plain_texts(draw: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """For a function that makes and saves a figure: no dollar sign in it begins a formula, and a
    box stands for what no font has.
    """

    @wraps(draw)
    def drawing(*arguments: Arguments.args, **options: Arguments.kwargs) -> None:
        warnings.filterwarnings("ignore", message=WITHOUT)  # no catch_warnings: threads draw too
        with ONE_AT_A_TIME, rc_context({"text.parse_math": False}):
            draw(*arguments, **options)

    return drawing


def label(text: object, most: int = MOST) -> str:
    """A name as a figure can show it; matplotlib leaves names with a leading underscore out of its
    legends.
    """
    shown = printable(text, most)
    return f" {shown}" if shown.startswith("_") else shown


def title_text(text: str) -> str:
    return label(text, MOST_OF_TITLE)


def drawn(path: Path, draw: Callable[[], None]) -> Path:
    """Draw ``path``; where that fails, say why in a note beside it, whose path is returned.

    On a full disk there is no note.
    """
    note = _note_of(path)
    try:
        draw()
    except Exception as error:
        reason = printable(without_credentials(in_one_line(error)))
        logger.warning("%s was not drawn: %s", path.name, reason, exc_info=error)
        path.unlink(missing_ok=True)
        with suppress(OSError):  # a full disk has no room for a note either
            replace_text(note, f"{path.name} was not drawn: {reason}\n")
        return note
    note.unlink(missing_ok=True)
    return path


def picture_or_note(path: Path) -> Path:
    """What ``drawn`` has left."""
    note = _note_of(path)
    return note if note.exists() else path


def _note_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}{NOTE}")
