"""Units of coordinates, and a number with a unit in that of a coordinate."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["SECONDS_OF", "Quantity", "converted", "is_span", "listed", "parse_quantity", "plain"]

SECONDS_OF: dict[str, float] = {
    name: size
    for size, names in (
        (1e-9, ("ns", "nanosecond", "nanoseconds")),
        (1e-6, ("us", "microsec", "microsecs", "microsecond", "microseconds")),
        (1e-3, ("ms", "msec", "msecs", "millisec", "millisecs", "millisecond", "milliseconds")),
        (1, ("s", "sec", "secs", "second", "seconds")),
        (60, ("min", "mins", "minute", "minutes")),
        (3_600, ("h", "hr", "hrs", "hour", "hours")),
        (86_400, ("d", "day", "days")),
        (604_800, ("week", "weeks")),
    )
    for name in names
}
PRESSURES: dict[str, float] = {
    name: size
    for size, names in (
        (1, ("pa", "pascal", "pascals")),
        (100, ("hpa", "hectopascal", "mb", "mbar", "millibar", "millibars")),
        (1_000, ("kpa", "kilopascal")),
        (100_000, ("bar", "bars")),
    )
    for name in names
}
LENGTHS: dict[str, float] = {
    name: size
    for size, names in (
        (0.01, ("cm", "centimeter", "centimeters", "centimetre", "centimetres")),
        (1, ("m", "meter", "meters", "metre", "metres")),
        (1_000, ("km", "kilometer", "kilometers", "kilometre", "kilometres")),
    )
    for name in names
}
FAMILIES: tuple[dict[str, float], ...] = (SECONDS_OF, PRESSURES, LENGTHS)
QUANTITY = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*")
SHOWN = 12


class Quantity(NamedTuple):
    """A number, and its unit or ""."""

    number: float
    unit: str


def parse_quantity(text: str) -> Quantity | None:
    """``500hPa`` as a number with its unit; None where the text begins with no number."""
    found = QUANTITY.fullmatch(text)
    return Quantity(float(found[1]), found[2]) if found else None


def is_span(unit: str) -> bool:
    """Whether a unit is one of duration."""
    return unit.strip().lower() in SECONDS_OF


def converted(quantity: Quantity, unit: str) -> float | None:
    """The number in ``unit``; None where the two units are not of one kind."""
    if not quantity.unit or quantity.unit == unit:
        return quantity.number
    one, other = quantity.unit.lower(), unit.strip().lower()
    for family in FAMILIES:
        if one in family and other in family:
            return quantity.number * family[one] / family[other]
    return None


def plain(value: object) -> str:
    """A coordinate's value as people write it: texts decoded, 850 and not 850.0."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip("\0 ")
    if isinstance(value, float | np.floating):
        text = str(value)
        return text.removesuffix(".0")
    return str(value).strip("\0 ")


def listed(values: Sequence[object], unit: str = "") -> str:
    """Some values with their unit, for a message."""
    shown = ", ".join(plain(value) for value in values[:SHOWN])
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    return f"{shown}{more} {unit}".rstrip()
