"""Markdown tables."""

from collections.abc import Iterable, Sequence

__all__ = ["header", "row"]


def header(columns: Sequence[str], text: int = 1) -> str:
    """Names of the columns and the rule below them; the first ``text`` of them hold no numbers."""
    rule = ["---"] * text + ["---:"] * (len(columns) - text)
    return f"{row(columns)}\n|{'|'.join(rule)}|"


def row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
