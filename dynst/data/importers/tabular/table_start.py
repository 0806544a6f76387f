"""Whether the first line of a file begins a table, and whether its rows are as wide as it."""

from collections import Counter
from collections.abc import Sequence

from dynst.data.importers.tabular.cell_kinds import kind_of
from dynst.data.importers.tabular.head import Line
from dynst.data.importers.tabular.headers import judge_first_line
from dynst.errors import DataError

__all__ = ["MAX_SHOWN", "as_wide", "ragged", "refuse_lines_above", "shown"]

SHOWN, MAX_SHOWN = 3, 60  # cells in a message, characters of one


def refuse_lines_above(lines: Sequence[Line]) -> None:
    """Raise DataError where titles or metadata stand above what seems to be the header."""
    first = lines[0].cells
    widths = {len(line.cells) for line in lines[1:]}
    filled = sum(bool(cell) for cell in first) + (not first[0])  # an index has no name
    below = [sum(bool(cell) for cell in line.cells) for line in lines[1:]]
    if len(widths) == 1 and len(first) > 1 and filled >= max(below, default=0):
        return
    start = next(
        (line for place, line in enumerate(lines) if place and _begins(lines[place:])), None
    )
    if start is not None:
        raise DataError(
            f"the table must begin in line 1, but seems to begin in line {start.number} "
            f"({shown(start.cells)}); remove the lines above it, or begin each with #"
        )


def _begins(lines: Sequence[Line]) -> bool:
    """Whether the lines are a header and rows as wide as it."""
    names = list(lines[0].cells)
    while names and not names[-1]:
        names.pop()
    texts = sum(kind_of(name) == "text" for name in names)
    named = len(names) > 1 and all(names[1:]) and len(set(names)) == len(names)
    return (
        len(lines) > 1
        and named
        and texts > len(names) / 2
        and all(
            len(line.cells) == len(lines[0].cells)
            and any(kind_of(cell) in {"number", "time"} for cell in line.cells)
            for line in lines[1:]
        )
        and judge_first_line(lines[0].cells, [line.cells for line in lines[1:]]).reading == "names"
    )


def as_wide(names: tuple[str, ...], rows: Sequence[Line]) -> tuple[str, ...]:
    """The names as many as the rows have cells; what a comma at the end adds is no name.

    Raises:
        DataError: header and rows, or rows among themselves, differ in width.
    """
    widths = Counter(len(line.cells) for line in rows)
    width = len(names) if len(names) in widths else widths.most_common(1)[0][0]
    if width < len(names) and not any(names[width:]):
        names = names[:width]
    elif width > len(names) and not any(cell for line in rows for cell in line.cells[len(names) :]):
        names = (*names, *[""] * (width - len(names)))
    if width != len(names):
        raise DataError(
            f"the header must have a name for each column, but has {len(names)} "
            f"({shown(names)}) where the rows have {width} ({shown(rows[0].cells)}); add the "
            f"names that are missing, or remove lines that are no part of the table"
        )
    wrong = next((place for place, line in enumerate(rows) if len(line.cells) != width), None)
    if wrong is not None:
        raise ragged(wrong + 1, rows[wrong].cells, width)
    return names


def ragged(row: int, cells: Sequence[str], width: int) -> DataError:
    """The refusal of a row below the header that is not as wide as it."""
    return DataError(
        f"every row must have {width} cells like the header, but row {row} below the header has "
        f"{len(cells)} ({shown(cells)}); mend or remove it"
    )


def shown(cells: Sequence[str]) -> str:
    """Some cells of a row, for a message."""
    shown = ", ".join(f"'{cell[:MAX_SHOWN]}'" for cell in cells[:SHOWN])
    return shown + (", …" if len(cells) > SHOWN else "")
