"""Columns that tell the zone of the times beside them."""

from collections.abc import Sequence
from itertools import chain

from dynst.data.clock import parse_zone
from dynst.data.importers.columns.first_cells import Columns, quoted
from dynst.data.importers.columns.words import words_of
from dynst.data.importers.report import Finding, assumed
from dynst.data.importers.text_cells import is_number
from dynst.errors import DataError

__all__ = ["is_zone_name", "zone_findings"]

WORDS = (
    "tz tzcd tzcode tzname tzid tzoffset timezone timezonecode timezonename timezoneid "
    "timezoneoffset utcoffset gmtoffset offsetutc zeitzone"
)
NAMES = frozenset(WORDS.split())


def is_zone_name(name: str) -> bool:
    """Whether a column of this name holds a zone or an offset from UTC."""
    return "".join(words_of(name)) in NAMES


def zone_findings(columns: Columns, taken: Sequence[str], *, zoned: bool) -> tuple[Finding, ...]:
    """What is said of columns of zones, which are not applied.

    Args:
        columns: of the table.
        taken: columns that have another role by the user's word.
        zoned: whether the zone of the times is known, by themselves or by the user.

    Raises:
        DataError: the zone is unknown, and such a column has several.
    """
    found = []
    for name in columns.names:
        if name in taken or not is_zone_name(name):
            continue
        zones = _distinct(columns, name)
        if len(zones) > 1 and not zoned:
            raise DataError(
                f"{columns.table.path}: all times must be of one zone, but '{name}' has "
                f"{quoted(zones)}; give --zone if one clock wrote them, such as --zone "
                f"America/Chicago for CST and CDT, or else convert the times to one zone and "
                f"remove '{name}'"
            )
        found.append(_ignored(name, zones))
    return tuple(found)


def _distinct(columns: Columns, name: str) -> list[str]:
    parts = (
        batch.column(name).drop_null().unique().to_pylist()
        for batch in columns.table.batches({name}, [name])
    )
    return list(dict.fromkeys(str(cell).strip() for cell in chain.from_iterable(parts)))


def _ignored(name: str, zones: list[str]) -> Finding:
    shown = f" ({quoted(zones)})" if zones else ""
    zone = _as_zone(zones[0]) if len(zones) == 1 else None
    change = f"--zone {zone} applies it" if zone else "--zone names the zone of the times"
    return assumed(f"'{name}'{shown} is ignored", change)


def _as_zone(text: str) -> str | None:
    """A zone as ``--zone`` takes it; numbers are hours from UTC."""
    if is_number(text):
        minutes = round(float(text) * 60)
        hours, rest = divmod(abs(minutes), 60)
        text = f"{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}"
    try:
        parse_zone(text)
    except ValueError:
        return None
    return text
