"""The look at a delimited text file that tells how to read it."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from dynst.data.importers.report import Finding, known
from dynst.data.importers.source import ReadOptions
from dynst.data.importers.tabular.cell_kinds import column_kind, kind_of
from dynst.data.importers.tabular.encodings import find_encoding, refuse_undecodable
from dynst.data.importers.tabular.head import Head, read_head
from dynst.data.importers.tabular.layout import Layout, find_layout, find_rows
from dynst.data.importers.tabular.marks import USUAL_MARKS
from dynst.data.importers.tabular.numbers import NumberForm, decide_numbers
from dynst.data.importers.tabular.text_table import TextTable
from dynst.errors import DataError

__all__ = ["open_text_table"]

NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def open_text_table(path: Path, options: ReadOptions, *, headed: bool = True) -> TextTable:
    """The table of a delimited text file.

    Args:
        path: of the file, which may be gzipped.
        options: what the user says.
        headed: whether the form has a line of column names.

    Raises:
        DataError: it is no table, or two readings of it are plausible.
    """
    encoding = find_encoding(path, options)
    try:
        head = read_head(path, encoding)
    except csv.Error as error:
        raise DataError(f"cannot be read as a table ({error}); mend the file") from error
    except UnicodeError as error:
        refuse_undecodable(path, encoding)
        raise DataError(f"is no {encoding.name}; name another --encoding") from error
    layout = find_layout(head) if headed else find_rows(head)
    if options.missing:
        options.apply("missing")
    _refuse_names(layout)
    shown = [place for place in range(len(layout.names)) if place not in layout.hidden]
    columns = tuple(layout.names[place] for place in shown)
    cells = np.array(layout.rows, object)[:, shown]
    raw = pd.DataFrame(cells, columns=list(columns), dtype=object)
    form, of_numbers = decide_numbers(raw, head.separator, options, layout.row_of)
    table = TextTable(
        path=path,
        columns=columns,
        sample=_normal(raw, form),
        raw=raw,
        form=form,
        findings=(*encoding.findings, *layout.findings, *_separated(head), *of_numbers),
        encoding=encoding,
        separator=head.separator,
        layout=layout,
    )
    _refuse_totals(table, head)
    return table


def _normal(raw: pd.DataFrame, form: NumberForm) -> pd.DataFrame:
    """The sample as ``Table`` has it: all cells at once, column after column."""
    flat = raw.to_numpy().ravel(order="F")
    plain, fits = form.plain(pa.array(flat, pa.string()))
    shape = (len(raw.columns), len(raw))
    numbers = np.array(plain.fill_null("").to_pylist(), object).reshape(shape)
    whole = fits.to_numpy(zero_copy_only=False).reshape(shape).all(axis=1)
    marks = frozenset(USUAL_MARKS)
    texts = np.array(["" if cell in marks else cell for cell in flat], object).reshape(shape)
    cells = np.where(whole[:, None], numbers, texts)
    return pd.DataFrame(cells.T, columns=raw.columns, dtype=object)


def _separated(head: Head) -> tuple[Finding, ...]:
    if head.separator == ",":
        return ()
    return (known(f"cells are separated by {NAMES[head.separator]}"),)


def _refuse_names(layout: Layout) -> None:
    places: dict[str, int] = {}
    shown = [entry for entry in enumerate(layout.names, 1) if entry[0] - 1 not in layout.hidden]
    if len(shown) < 2:
        raise DataError(
            f"must have at least two columns, separated by commas, semicolons or tabs, but its "
            f"header has {len(shown)}"
        )
    for place, name in shown:
        if name in places:
            both = f"columns {places[name]} and {place}"
            raise DataError(
                f"column names must be unique, but '{name}' stands there more than once ({both}); "
                f"rename one of them"
                if name
                else f"column names must be unique, but {both} have none; name them in the header"
            )
        places[name] = place


def _refuse_totals(table: TextTable, head: Head) -> None:
    """Last rows that sum up the others, of a file that was looked at as a whole."""
    if not head.complete:
        return
    for name in table.columns:
        cells = list(table.raw[name])
        last = len(cells)
        while last and kind_of(cells[last - 1]) == "text":
            last -= 1
        if 0 < last < len(cells) and column_kind(cells[:last]) == "time":
            raise table.total_at(name, cells[last], last)
