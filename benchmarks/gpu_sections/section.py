"""What a section is, and rows that survive the failure of others."""

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from traceback import extract_tb

import torch

from benchmarks.gpu_sections.scale import Scale
from dynst.errors import in_one_line

__all__ = ["Deadline", "Row", "Section", "answered", "in_table"]

Row = list[str]


class Deadline:
    """When a section must have ended.

    A row is begun where the time of the longest so far is left.
    """

    def __init__(self, seconds: float) -> None:
        self._ends = perf_counter() + seconds
        self._longest = 0.0

    @property
    def left(self) -> float:
        return self._ends - perf_counter()

    @property
    def is_near(self) -> bool:
        return self.left < self._longest

    def took(self, seconds: float) -> None:
        self._longest = max(self._longest, seconds)


@dataclass(frozen=True)
class Section:
    """A table of the page.

    Args:
        title: its heading.
        question: what stands between heading and table.
        columns: the last one is for remarks.
        text: how many of the first columns hold no figures.
        rows: makes them one by one.
    """

    title: str
    question: str
    columns: tuple[str, ...]
    text: int
    rows: Callable[[Scale, Deadline], Iterator[Row]]


def answered(
    begin: Sequence[str], width: int, deadline: Deadline, measure: Callable[[], Sequence[str]]
) -> Row:
    """One row: what it is of, its figures, and a remark.

    Args:
        begin: its first cells.
        width: of the whole table.
        deadline: of the section.
        measure: the other cells; where it fails the remark has the reason.
    """
    blank = ["–"] * (width - len(begin) - 1)
    if deadline.is_near:
        return [*begin, *blank, "not run: the section's time was nearly over"]
    began = perf_counter()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    try:
        return [*begin, *measure()]
    except torch.OutOfMemoryError as error:
        return [*begin, *blank, f"out of memory: {in_table(in_one_line(error))}"]
    except Exception as error:
        return [*begin, *blank, f"failed: {in_table(named(error))}"]
    finally:
        deadline.took(perf_counter() - began)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def named(error: Exception) -> str:
    """Its kind, where it was raised, and what it says."""
    place = extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}:{place.lineno}"
    return f"{type(error).__name__} in {where}: {in_one_line(error)}"


def in_table(text: str) -> str:
    """A text of others as a cell."""
    return text.replace("|", "/")[:160]
