"""Cells of text tables."""

import re

__all__ = ["is_number"]

NUMBER = re.compile(
    r"\s*[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?|nan)\s*", re.IGNORECASE | re.ASCII
)


def is_number(text: object) -> bool:
    """Whether a cell reads as a number with a decimal point, NaN and infinity included."""
    return NUMBER.fullmatch(str(text)) is not None
