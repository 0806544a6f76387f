"""Tables as CSV, for programs and for spreadsheets."""

import csv
import re
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from dynst.data.spreadsheet_cells import guarded
from dynst.storage.files import written_whole

__all__ = ["write_csv"]

OTHER_SEPARATORS = re.compile(r"[;\t\r\n]")  # by which a spreadsheet would cut a cell


def write_csv(target: Path | TextIO, table: pd.DataFrame) -> None:
    """Without row numbers; a file whole or not at all.

    Texts that a spreadsheet would run are guarded, names of columns too; numbers stay as they are.
    """
    texts = table.select_dtypes(exclude=["number", "bool", "datetime"]).columns
    shown = table.copy()
    for name in texts:
        shown[name] = table[name].map(_guarded).astype(object)
    shown.columns = pd.Index([_guarded(name) for name in table.columns])
    if not isinstance(target, Path):
        shown.to_csv(target, index=False, quoting=_quoting(shown))
        return
    with written_whole(target) as draft:
        shown.to_csv(draft, index=False, quoting=_quoting(shown))


def _guarded(value: Any) -> Any:
    return guarded(value) if isinstance(value, str) else value


def _quoting(table: pd.DataFrame) -> Any:
    """Every text in quotes where one holds another separator."""
    texts = [*table.columns, *table.select_dtypes(include=["object"]).to_numpy().ravel()]
    cut = any(isinstance(text, str) and OTHER_SEPARATORS.search(text) for text in texts)
    return csv.QUOTE_NONNUMERIC if cut else csv.QUOTE_MINIMAL
