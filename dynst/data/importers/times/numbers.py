"""Times that are numbers: compact dates such as 2024030112, epochs, days of Excel, counts."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dynst.data.importers.columns.words import is_elapsed_name, is_year_name
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.source import ReadOptions
from dynst.data.importers.times.bad_cells import BadCell
from dynst.data.importers.times.no_dates import no_date, why_no_date
from dynst.errors import DataError

__all__ = ["NUMBER_FORMATS", "NumberParser", "decide_numbers"]

EPOCHS = {"epoch-s": 10**6, "epoch-ms": 10**3, "epoch-us": 1, "epoch-ns": 1}  # microseconds
LEAST_EPOCH = {"epoch-s": 1e8, "epoch-ms": 1e11, "epoch-us": 1e14, "epoch-ns": 1e17}  # of 1973
LATEST = 23  # times the least: of 2042
PLAUSIBLE = (1970, 2060)  # years of dates without a year of four digits in front
SHORT = ("%y%m%d%H%M", "%y%m%d%H%M%S", "%y%m%d", "%d%m%Y%H", "%d%m%Y%H%M", "%d%m%Y")
COMPACT = {"%Y": 4, "%Y%m": 6, "%Y%m%d": 8, "%Y%m%d%H": 10, "%Y%m%d%H%M": 12, "%Y%m%d%H%M%S": 14}
NO_EPOCH, MOST = {8, 14}, 0.5  # digits of no plausible epoch: a stray one is a fault, no epoch
YEARS = (1800, 2100)  # of compact dates
EXCEL_EPOCH, EXCEL_DAYS = 25_569, (20_000, 60_000)  # 1970 in days of Excel; 1954 to 2064
DAY = 86_400 * 10**6  # in microseconds
NUMBER_FORMATS = (*EPOCHS, "excel", "count")


@dataclass(frozen=True)
class NumberParser:
    """One way to read numbers as times.

    Args:
        form: one of ``NUMBER_FORMATS``, or a compact date such as ``%Y%m%d``.
        findings: what is said of it.
        strict: whether epochs must lie in plausible years.
    """

    form: str
    findings: tuple[Finding, ...] = ()
    strict: bool = True

    @property
    def zone(self) -> str | None:
        """Epochs count seconds of UTC; the clock of other numbers is unknown."""
        return "UTC" if self.form in EPOCHS else None

    @property
    def counted(self) -> bool:
        """Whether the numbers count steps and are no times."""
        return self.form == "count"

    def microseconds(self, values: pd.Series) -> np.ndarray:
        """Since 1970-01-01, or the numbers themselves where they only count.

        Raises:
            DataError: a number is no time of this form.
        """
        numbers = pd.to_numeric(values, errors="coerce").to_numpy()
        if self.counted:
            return _whole(numbers, values)
        if self.form == "excel":
            return np.round((numbers - EXCEL_EPOCH) * DAY / 1e6).astype(np.int64) * 10**6
        if self.form in COMPACT:
            whole = _whole(numbers, values)
            moments, valid = _compact(whole, COMPACT[self.form])
            if not valid.all():
                place = int((~valid).argmax())
                if why := why_no_date(str(whole[place]), self.form):
                    raise no_date(values.iloc[place], why, place)
                raise BadCell(
                    f"times must be dates written as {self.form} like the others, but one is",
                    values.iloc[place],
                    "; mend it, or say how they are written with --time-format",
                    place,
                )
            return moments
        if not np.isfinite(numbers.astype(float)).all():
            place = int((~np.isfinite(numbers.astype(float))).argmax())
            before = "times must be numbers like those before them, but one is"
            raise BadCell(before, values.iloc[place], "; mend it", place)
        low, high = LEAST_EPOCH[self.form], LATEST * LEAST_EPOCH[self.form]
        lost = (numbers < low) | (numbers > high)
        if self.strict and lost.any():
            raise BadCell(
                f"times must be epochs in {self.form[6:]} like those before them, but one is",
                values[lost].iloc[0],
                "; mend it, or say what they are with --time-format",
                int(lost.argmax()),
            )
        if self.form == "epoch-ns":
            return numbers.astype(np.int64) // 10**3
        scale = EPOCHS[self.form]
        if numbers.dtype.kind == "f":
            return np.round(numbers * scale).astype(np.int64)
        return numbers.astype(np.int64) * scale


def decide_numbers(sample: np.ndarray, options: ReadOptions, name: str = "") -> NumberParser:
    """How numbers count time, by the year that they would mean.

    Args:
        sample: the first of them.
        options: what the user says.
        name: of their column, which may say that they are years.

    Raises:
        DataError: they mean no plausible time, or may be years as well as time elapsed.
    """
    if options.time_format is not None:
        if options.time_format not in (*NUMBER_FORMATS, *COMPACT):
            raise DataError(
                f"times are numbers, so --time-format must be one of "
                f"{', '.join((*NUMBER_FORMATS, *COMPACT))}, but is '{options.time_format}'"
            )
        options.apply("time_format")
        return NumberParser(options.time_format, strict=False)
    whole = bool(np.all(np.isfinite(sample)) and np.all(sample == np.floor(sample)))
    if whole:
        _refuse_short(sample)
    if whole and (form := _compact_form(sample.astype(np.int64))):
        text = f"times are dates written as {form}"
        if form == "%Y" and not is_year_name(name):
            _refuse_elapsed(sample, name)
            change = "--time-format count, if they only count"
            return NumberParser(form, (assumed(text, change),))
        return NumberParser(form, (known(text),))
    low, high = float(np.min(sample)), float(np.max(sample))
    for form in reversed(EPOCHS):
        if LEAST_EPOCH[form] <= low and high <= LATEST * LEAST_EPOCH[form]:
            return NumberParser(form, (known(f"times are epochs in {form[6:]}, which are UTC"),))
    if whole and len(sample) > 1 and low < EXCEL_DAYS[0] and (np.diff(sample) == 1).all():
        return NumberParser(
            "count",
            (
                assumed(
                    f"times count steps from {low:g} on and tell no date",
                    "--start and --step make times of them, or --time-format epoch-s",
                ),
            ),
        )
    if EXCEL_DAYS[0] <= low and high <= EXCEL_DAYS[1]:
        day = pd.Timestamp("1970-01-01") + pd.Timedelta(days=low - EXCEL_EPOCH)
        raise DataError(
            f"times such as {low:g} may be days of Excel (it would be {day:%Y-%m-%d %H:%M}); say "
            f"so with --time-format excel, or name another column with --time-column"
        )
    raise DataError(
        f"times from {low:.12g} to {high:.12g} are neither dates nor epochs; say what they are by "
        f"--time-format ({', '.join(NUMBER_FORMATS)}), or name another column with --time-column"
    )


def _refuse_elapsed(sample: np.ndarray, name: str) -> None:
    """Refuse numbers such as 1800, 1810, … that may be years or minutes since some start."""
    steps = np.diff(np.unique(sample))
    if not is_elapsed_name(name) and (not steps.size or np.median(steps) == 1):
        return
    raise DataError(
        f"times such as {', '.join(f'{number:g}' for number in sample[:2])} may be years, or time "
        f"elapsed since some start; say --time-format %Y for years, or --time-format count with "
        f"--start and --step, the time that a difference of 1 means"
    )


def _refuse_short(sample: np.ndarray) -> None:
    """Refuse numbers that may be dates with a year of two digits, or with the day first."""
    texts = pd.Series(sample.astype(np.int64).astype(str))
    digits = len(texts.iloc[0])
    if not (texts.str.len() == digits).all() or digits == 8:
        return
    if digits != 6 and _compact_form(sample.astype(np.int64)):
        return
    for form in SHORT:
        if len(pd.Timestamp(2024, 11, 11).strftime(form)) != digits:
            continue
        moments = pd.to_datetime(texts, format=form, errors="coerce")
        if moments.dt.year.between(*PLAUSIBLE).all():
            others = ", %Y%m" if _compact_form(sample.astype(np.int64)) else ""
            raise DataError(
                f"times such as {texts.iloc[0]} may be dates written as {form} (it would be "
                f"{moments.iloc[0]:%Y-%m-%d %H:%M}) or {_else(sample)}; say what they are with "
                f"--time-format, such as --time-format {form}{others} or epoch-s"
            )


def _else(sample: np.ndarray) -> str:
    moment = pd.Timestamp(int(sample[0]), unit="s")
    if not PLAUSIBLE[0] <= moment.year <= PLAUSIBLE[1]:
        return "something else"
    return f"seconds since 1970 (it would be {moment:%Y-%m-%d %H:%M})"


def _compact_form(numbers: np.ndarray) -> str | None:
    for form, digits in COMPACT.items():
        if (numbers >= 10 ** (digits - 1)).all() and (numbers < 10**digits).all():
            least = MOST if digits in NO_EPOCH else 1
            return form if _compact(numbers, digits)[1].mean() >= least else None
    return None


def _compact(numbers: np.ndarray, digits: int) -> tuple[np.ndarray, np.ndarray]:
    """Microseconds of numbers whose digits are year, month, …, and which of them are dates."""
    fields, rest = [], numbers
    for _ in range((digits - 4) // 2):
        fields.append(rest % 100)
        rest = rest // 100
    zero = np.zeros_like(numbers)
    month, day, hour, minute, second = (
        *fields[::-1],
        *([zero + 1, zero + 1, zero, zero, zero][len(fields) :]),
    )
    valid = (rest >= YEARS[0]) & (rest <= YEARS[1]) & (month >= 1) & (month <= 12)
    months = np.where(valid, (rest - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1).astype("timedelta64[D]")
    valid &= (day >= 1) & (days.astype("datetime64[M]") == months)
    clock = (hour * 60 + minute) * 60 + second
    valid &= (minute < 60) & (second < 60) & (clock <= 86_400)
    return days.astype(np.int64) * DAY + clock * 10**6, valid


def _whole(numbers: np.ndarray, values: pd.Series) -> np.ndarray:
    odd = ~np.isfinite(numbers.astype(float)) | (numbers != np.floor(numbers))
    if odd.any():
        raise BadCell(
            "times must be whole numbers like those before them, but one is",
            values.iloc[int(odd.argmax())],
            "; mend it, or say how they are written with --time-format",
            int(odd.argmax()),
        )
    whole: np.ndarray = numbers.astype(np.int64)
    return whole
