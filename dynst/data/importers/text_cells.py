"""Cells of text tables."""

__all__ = ["is_number"]


def is_number(text: object) -> bool:
    """Whether a cell reads as a number, NaN and infinity included."""
    try:
        float(str(text))
    except ValueError:
        return False
    return True
