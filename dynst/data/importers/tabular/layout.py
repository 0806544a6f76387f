"""Where the table of a delimited file begins, what its columns are called, and its first rows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.tabular.cell_kinds import column_kind, kind_of
from dynst.data.importers.tabular.head import Head, Line
from dynst.data.importers.tabular.headers import FirstLine, judge_first_line
from dynst.data.importers.tabular.table_start import MAX_SHOWN, as_wide, refuse_lines_above, shown
from dynst.data.spreadsheet_cells import unguarded
from dynst.errors import DataError

__all__ = ["Layout", "find_layout", "find_rows"]

RDB_FORMAT = re.compile(r"\d+[sdn]")  # of a column, as USGS writes it in the line below the header


@dataclass(frozen=True)
class Layout:
    """Columns and first rows.

    Args:
        names: one a column; "" where the header has none.
        rows: as many cells as names.
        skip: lines of the file above the rows.
        hidden: places of columns without name and, as far as was looked, without content.
        findings: what is known and was assumed.
        headed: whether a line of the file names the columns.
        left_out: rows below the header that are no readings.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    skip: int
    hidden: frozenset[int] = frozenset()
    findings: tuple[Finding, ...] = ()
    headed: bool = True
    left_out: int = 0

    def row_of(self, index: int) -> str:
        """How a message names a row by its index."""
        row = f"row {index + 1 + self.left_out}"
        return f"{row} below the header" if self.headed else row


def find_layout(head: Head) -> Layout:
    """The table of a file that must have a header line.

    Raises:
        DataError: the table begins further down, has no header line, or its rows are not as wide
            as the header.
    """
    refuse_lines_above(head.lines)
    first, rows = head.lines[0], head.lines[1:]
    if not rows:
        raise DataError("has a header, but no row below it")
    names = tuple(map(unguarded, as_wide(first.cells, rows)))
    cells = tuple(line.cells for line in rows)
    judged = judge_first_line(names, cells)
    above = _above(head)
    if judged.reading in {"readings", "either"}:
        layout = _named_by_comment(head, judged)
    elif judged.reading == "ids":
        layout = Layout(names, cells, first.number, findings=(*above, _ids_on_top(names)))
    else:
        layout = Layout(names, cells, first.number, findings=above)
    return _without_empty(_without_formats(layout))


def find_rows(head: Head) -> Layout:
    """The table of a file of readings alone, where a header line is allowed but not usual."""
    first = head.lines[0]
    rows = head.lines[1:] or head.lines
    cells = tuple(line.cells for line in rows)
    names = tuple(map(unguarded, as_wide(first.cells, rows)))
    judged = judge_first_line(names, cells)
    above = _above(head)
    if judged.time:
        raise DataError(
            f"has no header line: its first line, {shown(first.cells)}, has the time "
            f"'{judged.time}'; put a line of column names above it, and force --kind long-table or "
            f"wide-table"
        )
    if any(column_kind(list(column)) == "time" for column in zip(*cells, strict=True)):
        raise DataError(
            f"has a column of times, as in {shown(rows[0].cells)}, which this form has not; force "
            f"--kind long-table or wide-table"
        )
    if judged.reading in {"names", "ids"} and head.lines[1:]:
        said = known(f"the first line holds sensor ids ({shown(names)})")
        said = said if judged.reading == "names" else _ids_on_top(names)
        return Layout(names, cells, first.number, findings=(*above, said))
    findings = above
    if judged.reading == "either":
        findings = (*above, _readings_on_top(first))
    numbers = tuple(str(place) for place in range(len(names)))
    cells = (first.cells, *cells) if head.lines[1:] else cells
    return Layout(numbers, cells, head.above, findings=findings, headed=False)


def _ids_on_top(names: Sequence[str]) -> Finding:
    return assumed(
        f"the first line ({shown(names)}) holds sensor ids, since its numbers count or are unlike "
        f"those below it",
        "put a line of ids above it if it holds readings",
    )


def _readings_on_top(first: Line) -> Finding:
    return assumed(
        f"the first line ({shown(first.cells)}) holds readings, as this form has no header",
        "replace it by ids that are no numbers if it names the sensors",
    )


def _above(head: Head) -> tuple[Finding, ...]:
    found = []
    if head.blanks:
        found.append(known(f"blank lines above the header are skipped ({head.blanks})"))
    if head.comments:
        found.append(
            known(
                f"comment lines above the header are skipped ({len(head.comments)}, the last "
                f"'{head.comments[-1][:MAX_SHOWN]}')"
            )
        )
    return tuple(found)


def _named_by_comment(head: Head, judged: FirstLine) -> Layout:
    """A file whose header is the last comment line, or none."""
    first = head.lines[0]
    names = head.split(head.comments[-1].lstrip("# ")) if head.comments else ()
    if (
        len(names) == len(first.cells)
        and all(names)
        and all(kind_of(name) == "text" for name in names)
    ):
        said = known(f"the header is the last comment line ({shown(names)})")
        cells = tuple(line.cells for line in head.lines)
        return Layout(names, cells, head.above, findings=(*_above(head)[:-1], said))
    line = f"its first line, {shown(first.cells)},"
    if judged.time:
        raise DataError(
            f"has no header line: {line} has the time '{judged.time}' like the lines below it; "
            f"put a line of column names above it"
        )
    if judged.reading == "readings":
        raise DataError(
            f"has no header line: {line} holds readings; put sensor ids above it, or use --kind "
            f"lstnet if all columns are readings"
        )
    raise DataError(
        f"may have no header line: {line} may name the sensors or be the first readings; use "
        f"--kind lstnet if it holds readings, else put names there that are no numbers"
    )


def _without_formats(layout: Layout) -> Layout:
    """Drop the formats of USGS below the header; a line of units is refused."""
    above, rows = layout.rows[0], layout.rows[1:]
    texts = [place for place, cell in enumerate(above) if kind_of(cell) == "text"]
    if not rows or not texts:
        return layout
    if all(map(RDB_FORMAT.fullmatch, above)):
        said = known(f"row 1 below the header holds formats of columns ({shown(above)})")
        return replace(
            layout,
            rows=rows,
            skip=layout.skip + 1,
            findings=(*layout.findings, said),
            left_out=1,
        )
    kinds = [column_kind([row[place] for row in rows]) for place in range(len(layout.names))]
    numbers = [place for place, kind in enumerate(kinds) if kind == "number"]
    timed = any(
        kind == "time" and kind_of(cell) == "time" for kind, cell in zip(kinds, above, strict=True)
    )
    if numbers and not timed and set(numbers) <= set(texts):
        if len(set(layout.names)) < len(layout.names):
            raise DataError(
                f"there must be one line of column names, but row 1 below the header "
                f"({shown(above)}) names the columns again; put both names together in one line"
            )
        unit = above[numbers[0]]
        raise DataError(
            f"every row below the header must hold readings, but row 1 ({shown(above)}) holds "
            f"texts where the rows below it hold numbers, as a line of units does; remove it, and "
            f"give a unit with --unit '{unit}'"
        )
    return layout


def _without_empty(layout: Layout) -> Layout:
    hidden = frozenset(
        place
        for place, name in enumerate(layout.names)
        if not name and not any(row[place] for row in layout.rows)
    )
    said = tuple(
        known(f"column {place + 1} has neither a name nor cells, and is left out")
        for place in sorted(hidden)
    )
    return replace(layout, hidden=hidden, findings=(*layout.findings, *said))
