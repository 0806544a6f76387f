"""Texts in CSV files that people open with a spreadsheet, which runs what looks like a formula."""

import re

__all__ = ["guarded", "unguarded"]

GUARD = "'"
FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)


def guarded(text: str) -> str:
    """The text behind an apostrophe, by which spreadsheets know a text, where it begins with a sign
    of a formula and is no plain number; every other text as it is.

    Example:
        >>> guarded("=1+1"), guarded("-7"), guarded("north")
        ("'=1+1", '-7', 'north')
    """
    return GUARD + text if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def unguarded(text: str) -> str:
    """What ``guarded`` was given.

    Example:
        >>> unguarded("'=1+1"), unguarded("'tis")
        ('=1+1', "'tis")
    """
    return text[1:] if text.startswith(GUARD) and FORMULA.match(text) else text
