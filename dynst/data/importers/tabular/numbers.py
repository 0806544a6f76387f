"""Numbers as texts: the decimal sign of a file, and what groups thousands."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dynst.data.importers.report import Finding, known
from dynst.data.importers.source import ReadOptions
from dynst.data.importers.tabular.marks import USUAL_MARKS, null_texts
from dynst.errors import DataError

__all__ = ["NumberForm", "decide_numbers"]

Sign = Literal[".", ","]
MAX_COLUMNS = 1_000  # looked at for the decimal sign


def _plain(sign: str) -> str:
    part = re.escape(sign)
    digits = rf"(?:[0-9]+{part}?[0-9]*|{part}[0-9]+)(?:[eE][+-]?[0-9]+)?"
    return rf"^[+-]?(?:{digits}|(?i:inf|infinity|nan))$"


def _grouped(sign: str) -> str:
    part, group = re.escape(sign), re.escape(_other(sign))
    return rf"^[+-]?[1-9][0-9]{{0,2}}(?:{group}[0-9]{{3}})+(?:{part}[0-9]*)?$"


def _other(sign: str) -> str:
    return "." if sign == "," else ","


@dataclass(frozen=True)
class NumberForm:
    """How the numbers of a file are written.

    Args:
        decimal: the decimal sign.
        grouped: whether the other sign may group thousands.
        marks: texts that mean missing among readings.
        settled: whether a row looked at, the user or the separator shows the decimal sign; else
            1.234 may be either.
    """

    decimal: Sign = "."
    grouped: bool = False
    marks: tuple[str, ...] = USUAL_MARKS
    settled: bool = True

    def plain(self, texts: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Cells as numbers with a decimal point.

        Args:
            texts: strings, which may have blanks around them.

        Returns:
            the texts, null where they mean missing or are no number; and whether each is a number
            or missing.
        """
        cells = pc.utf8_trim_whitespace(texts)
        missing = pc.is_in(cells, value_set=pa.array(self.marks, cells.type))
        fits = pc.match_substring_regex(cells, _plain(self.decimal))
        if self.grouped:
            grouped = pc.match_substring_regex(cells, _grouped(self.decimal))
            fits = pc.or_(fits, grouped)
        missing = pc.or_(missing, pc.is_null(cells))
        cells = pc.if_else(pc.and_(pc.fill_null(fits, False), pc.invert(missing)), cells, None)
        if self.grouped:
            cells = pc.replace_substring(cells, _other(self.decimal), "")
        if self.decimal == ",":
            cells = pc.replace_substring(cells, ",", ".")
        return cells, pc.or_(missing, pc.fill_null(fits, False))

    def settle(self, columns: dict[str, pa.Array], where: Callable[[int], str]) -> bool:
        """Whether texts tell that the point is the decimal sign, of a form that is not settled.

        Args:
            columns: texts by name.
            where: names a row of them by its index.

        Raises:
            DataError: points may as well group thousands.
        """
        either = None
        for name, texts in columns.items():
            if not pc.any(pc.match_substring(texts, ".")).as_py():
                continue
            cells = pc.utf8_trim_whitespace(texts)
            pointed = pc.match_substring(cells, ".")
            plain = pc.and_(pointed, pc.match_substring_regex(cells, _plain(".")))
            grouped = pc.match_substring_regex(cells, _grouped(","))
            if pc.any(pc.and_not(plain, grouped)).as_py():
                return True
            place = pc.index(pc.and_(plain, grouped), True).as_py()
            if place >= 0 and either is None:
                either = _Place(cells[place].as_py(), where(place), name)
        if either is not None:
            raise _refuse_either(either, ".")
        return False


def decide_numbers(
    sample: pd.DataFrame, separator: str, options: ReadOptions, row_of: Callable[[int], str]
) -> tuple[NumberForm, tuple[Finding, ...]]:
    """The form of a file's numbers, by the user's word or its first rows.

    Args:
        sample: the first rows as texts.
        separator: between cells.
        options: what the user says.
        row_of: names a row by its index.

    Raises:
        DataError: two forms are plausible and mean different numbers, or the rows contradict each
            other.
    """
    marks = null_texts(options.missing)
    if options.decimal is not None:
        options.apply("decimal")
        return NumberForm(options.decimal, True, marks), ()
    if separator == "," and not _has_commas(sample):
        return NumberForm(marks=marks), ()
    points, commas = _seen(sample, ".", row_of), _seen(sample, ",", row_of)
    comma = commas.decimal or points.thousands
    point = points.decimal or commas.thousands
    if comma and point:
        raise DataError(
            f"numbers must have one decimal sign, but there are {comma} and {point}; say which it "
            f"is with --decimal , or --decimal ."
        )
    if comma:
        groups = points.either or points.thousands
        text = f"numbers have a decimal comma, such as {comma}"
        return _form(",", groups, marks), (known(text), *_grouping(groups))
    if point:
        groups = commas.either or commas.thousands
        return _form(".", groups, marks), _grouping(groups)
    if commas.either:
        raise _refuse_either(commas.either, ",")
    if points.either and separator != "," and points.small and not points.large:
        raise _refuse_either(points.either, ".")
    ungrouped = points.either is not None and points.large
    return NumberForm(marks=marks, settled=separator == "," or ungrouped), ()


class _Place(NamedTuple):
    """The first cell of a kind."""

    cell: str
    row: str
    column: str

    def __str__(self) -> str:
        return f"'{self.cell}' ({self.row}, column '{self.column}')"


class _Seen(NamedTuple):
    """Cells with one of the two signs, by what the sign can be."""

    decimal: _Place | None  # only a decimal sign
    thousands: _Place | None  # only a separator of thousands
    either: _Place | None
    small: bool  # whole numbers below 1000 without a sign
    large: bool  # and from 1000 on


def _seen(sample: pd.DataFrame, sign: str, row_of: Callable[[int], str]) -> _Seen:
    decimal = thousands = either = None
    small = large = False
    for column in sample.columns[:MAX_COLUMNS]:
        cells = sample[column].str.strip()
        whole = cells.str.fullmatch(r"[+-]?[0-9]+")
        if whole.any():
            long = cells[whole].str.lstrip("+-0").str.len() > 3
            small, large = small or bool((~long).any()), large or bool(long.any())
        holds = cells[cells.str.contains(sign, regex=False)]
        plain = holds.str.match(_plain(sign))
        grouped = holds.str.match(_grouped(_other(sign)))
        decimal = decimal or _first(holds[plain & ~grouped], str(column), row_of)
        thousands = thousands or _first(holds[grouped & ~plain], str(column), row_of)
        either = either or _first(holds[grouped & plain], str(column), row_of)
    return _Seen(decimal, thousands, either, small, large)


def _first(cells: pd.Series, column: str, row_of: Callable[[int], str]) -> _Place | None:
    return _Place(cells.iloc[0], row_of(int(cells.index[0])), column) if len(cells) else None


def _has_commas(sample: pd.DataFrame) -> bool:
    return any("," in cell for column in sample.columns[:MAX_COLUMNS] for cell in sample[column])


def _form(sign: Sign, groups: _Place | None, marks: tuple[str, ...]) -> NumberForm:
    return NumberForm(sign, groups is not None, marks)


def _grouping(groups: _Place | None) -> tuple[Finding, ...]:
    return (known(f"thousands are grouped, as in {groups}"),) if groups else ()


def _refuse_either(place: _Place, sign: str) -> DataError:
    cell = place.cell
    return DataError(
        f"{place} may be {cell.replace(sign, '.')} or {cell.replace(sign, '')}, and no row looked "
        f"at tells which; say --decimal {sign} for the first or --decimal {_other(sign)} for the "
        f"second"
    )
