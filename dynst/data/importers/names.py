"""Sensor ids under the spellings that other files give them."""

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

import numpy as np
import pandas as pd

from dynst.data.importers.report import Finding, assumed, known
from dynst.data.spreadsheet_cells import unguarded
from dynst.wording import counted

__all__ = ["NameMatch", "SensorNames", "counted", "likely_name", "listed", "tidy"]

SHOWN = 3
WHOLE_NUMBER = re.compile(r"[+-]?\d+\.\d*(e[+-]?\d+)?", re.IGNORECASE)
MOST_COMPARED = 1000  # ids that are looked at for a likely one
EXACT_LIMIT = 2**53  # beyond it a float is no certain whole number


@dataclass(frozen=True)
class NameMatch:
    """Which sensor each name is.

    Args:
        index: ``[N]`` int64, the sensor's row, −1 where no sensor has the name.
        findings: what was made alike.
    """

    index: np.ndarray  # [N] int64
    findings: tuple[Finding, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every name is a sensor's."""
        return bool((self.index >= 0).all())


class SensorNames:
    """The ids of the readings, which other files name exactly or nearly so.

    A name is a sensor's if it is the id; else if both are the same without blanks around, in
    Unicode's composed form, and with whole numbers written alike ("400001.0" is "400001"); else if
    both are the same number apart from leading zeros and no other name or id is.

    Args:
        ids: unique, in the order of the readings' sensor axis.

    Example:
        >>> SensorNames(("007", "042")).find(["42", "7.0"], "places.csv").index
        array([1, 0])
    """

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = tuple(ids)
        self.numbered = all(name == str(index) for index, name in enumerate(self.ids))
        self._exact = {name: index for index, name in enumerate(self.ids)}

    def __len__(self) -> int:
        return len(self.ids)

    def find(self, names: Iterable[str], file: str) -> NameMatch:
        """Look names up.

        Args:
            names: as ``file`` has them; they may repeat.
            file: its name, for the findings.
        """
        codes, uniques = pd.factorize(np.array(list(names), object), use_na_sentinel=False)
        distinct = [str(name) for name in uniques]
        places = [self._exact.get(name, -1) for name in distinct]
        findings: list[Finding] = []
        if min(places, default=0) < 0:
            alike = self._fill(places, distinct, self._tidy, tidy)
            if alike:
                findings.append(known(f"{file} writes sensor ids otherwise: {alike}"))
        if min(places, default=0) < 0:
            padded = self._fill(places, distinct, self._unpadded, _only_once(distinct))
            text = f"{file} writes sensor ids with other leading zeros: {padded}"
            if padded:
                findings.append(assumed(text, "write the ids alike in both files"))
        return NameMatch(np.array(places, np.int64)[codes], tuple(findings))

    @cached_property
    def _tidy(self) -> dict[str, int]:
        return self._by(tidy)

    @cached_property
    def _unpadded(self) -> dict[str, int]:
        return self._by(_without_zeros)

    def _by(self, key: Callable[[str], str]) -> dict[str, int]:
        """Sensors by a key, without those that share theirs."""
        keys = [key(name) for name in self.ids]
        count = Counter(keys)
        return {name: index for index, name in enumerate(keys) if count[name] == 1}

    def _fill(
        self,
        places: list[int],
        names: Sequence[str],
        by_key: dict[str, int],
        key: Callable[[str], str | None],
    ) -> str:
        """Fill in ``places`` what the key finds, and give its first example in words."""
        example, count = "", 0
        for row, name in enumerate(names):
            if places[row] >= 0:
                continue
            place = by_key.get(key(name) or "", -1)
            if place < 0:
                continue
            places[row] = place
            example = example or f"'{name}' is '{self.ids[place]}'"
            count += 1
        return example + (f", and {count - 1} more" if count > 1 else "")


def tidy(name: str) -> str:
    """A name without blanks around it, composed, without a spreadsheet's apostrophe, and a whole
    number without its ".0".
    """
    text = " ".join(unicodedata.normalize("NFC", unguarded(name)).split())
    if WHOLE_NUMBER.fullmatch(text):
        number = float(text)
        if number.is_integer() and abs(number) < EXACT_LIMIT:
            return str(int(number))
    return text


def likely_name(name: str, ids: Iterable[str]) -> str:
    """The id that a misspelt name probably means; "" where none is near, or it is a number.

    Only ids near it in the alphabet are compared with it: all would take long in large networks.
    """
    if tidy(name).isdecimal():
        return ""
    folded = {other.casefold(): other for other in ids}
    ordered = sorted(folded)
    middle, half = bisect_left(ordered, name.casefold()), MOST_COMPARED // 2
    near = ordered[max(0, middle - half) : middle + half]
    found = get_close_matches(name.casefold(), near, n=1, cutoff=0.6)
    return folded[found[0]] if found else ""


def listed(names: Sequence[str]) -> str:
    """The first names in quotes, and how many more there are."""
    shown = ", ".join(f"'{name}'" for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _without_zeros(name: str) -> str:
    text = tidy(name)
    return (text.lstrip("0") or "0") if text.isdecimal() else text


def _only_once(names: Sequence[str]) -> Callable[[str], str | None]:
    """``_without_zeros``, but None where two spellings of the file would become one."""
    count = Counter(_without_zeros(name) for name in {tidy(name) for name in names})

    def key(name: str) -> str | None:
        text = _without_zeros(name)
        return text if count[text] == 1 else None

    return key
