"""Texts and formats that leave a part of the date open."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from dynst.errors import DataError

__all__ = ["refuse_double_years", "refuse_partial"]

YEAR = set("YyGcxsDF")
MONTH, DAY, WEEK = set("mbBqcxDF"), set("djcxDF") | set("UWV"), set("UWV")
WHOLE = (  # parts of a format, what they need beside them, and its name
    (set("HIMSfpXTaAuw"), DAY | {"s"}, "a day"),
    (set("d"), MONTH, "a month"),
    (WEEK, set("aAuw"), "a day of the week"),
)
DOUBLE = re.compile(r"(\d{4})([-/.])(\d{2})")  # 2000/01, a month or a year that spans two


def refuse_partial(form: str) -> None:
    """Refuse a format without a year, or with a part whose larger parts are left open."""
    codes = set(re.findall(r"%(.)", form.replace("%%", "")))
    absent = next((what for part, whole, what in WHOLE if codes & part and not codes & whole), "")
    if not codes & YEAR:
        absent = "a year"
    if absent:
        raise DataError(
            f"--time-format must tell whole dates, but '{form}' lacks {absent}; put the columns "
            f"of date and clock together (--time-column, twice), and add the year to the times"
        )


def refuse_double_years(cell: str, parts: Callable[[], Iterable[Any]]) -> None:
    """Refuse 2000/01, 2001/02, … each of which may be a month, or a year that begins in autumn."""
    if not DOUBLE.fullmatch(cell):
        return
    for part in parts():
        years = pd.Series(part).dropna().astype(str).str.strip().str.extract(f"^{DOUBLE.pattern}$")
        first, second = pd.to_numeric(years[0]), pd.to_numeric(years[2])
        if not ((first + 1) % 100 == second).all():
            return
    raise DataError(
        f"times such as '{cell}' may be the month {cell[5:]} of {cell[:4]}, or the year from "
        f"{cell[:4]} to {int(cell[:4]) + 1}; say --time-format %Y{cell[4]}%m for the month, or "
        f"write the first years alone"
    )
