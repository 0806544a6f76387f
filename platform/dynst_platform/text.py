"""Texts of others as they may be shown: ids, units, names and attributions come from files, from
MLflow and from users, and may hold anything.
"""

import re
import unicodedata

__all__ = ["printable", "printable_lines"]

JOINERS = "\u200c\u200d"  # of scripts and emoji, and invisible elsewhere
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")


def printable(value: object, most: int | None = None) -> str:
    r"""One line that cannot steer a terminal: what controls it or turns the direction of writing is
    shown as in a Python text, such as ``\x1b`` or ``\n``.

    Args:
        value: any value.
        most: characters; a longer text is cut and ends in ``…``.

    Example:
        >>> printable("north\x1b[31m\nsouth")
        'north\\x1b[31m\\nsouth'
    """
    text = str(value)
    if most is not None and len(text) > most:
        text = f"{text[: most - 1]}…"
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def printable_lines(text: str) -> str:
    """Many lines that a program of ours has written, with their line ends and colours."""
    return "".join(
        part if COLOUR.fullmatch(part) else "".join(_shown(each, "\n\r\t") for each in part)
        for part in COLOUR.split(text)
    )


def _shown(character: str, kept: str = "") -> str:
    if character in kept or character in JOINERS:
        return character
    if unicodedata.category(character) not in UNSEEN:
        return character
    return character.encode("unicode_escape").decode("ascii")
