"""Numbers in sentences."""

__all__ = ["counted"]


def counted(count: int, noun: str) -> str:
    """``1 edge``, ``2 edges``, ``12,000 edges``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
