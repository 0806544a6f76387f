"""Units behind the names of columns, such as ``Nord [m³/h]``."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from dynst.data.importers.columns.first_cells import quoted
from dynst.data.importers.report import Finding, known
from dynst.data.manifest import Channel
from dynst.errors import DataError

__all__ = ["HeaderUnit", "header_unit", "with_units"]


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


BRACKETS = re.compile(r"^(?P<name>.*?)\s*(?:\[(?P<square>[^\[\]]+)\]|\((?P<round>[^()]+)\))\s*$")
AS_WRITTEN = str.maketrans({"²": "2", "³": "3", "µ": "u", "μ": "u", "°": "", "^": "", " ": ""})
ALIKE = {
    "degc": "c",
    "celsius": "c",
    "degf": "f",
    "fahrenheit": "f",
    "degk": "k",
    "kelvin": "k",
    "percent": "%",
}
KNOWN = _set(
    "% "
    "w kw mw gw wh kwh mwh gwh j kj mj gj w/m2 wm-2 kwh/m2 v mv kv a ma hz var kvar va kva "
    "m3 m3/h m3/s m3s-1 m3/d m3/day l l/s l/min l/h ml gpm cfs cfm mgd ft3/s "
    "c f k "
    "pa hpa kpa mpa mbar bar psi inhg mmhg atm "
    "mm cm m km in ft mi mm/h mm/d mm/day km/h kmh kph m/s ms-1 mph kn kt knots "
    "ppm ppb ug/m3 mg/m3 ng/m3 mg/l ug/l ugm-3 kg/m3 g/m3 "
    "veh veh/h veh/5min vehicles vehicles/h lx lux db dba ntu us/cm ms/cm deg degrees rad "
    "s min h hours"
)


class HeaderUnit(NamedTuple):
    """What a header says of the unit.

    Args:
        unit: of all columns, "" where none is named.
        names: of the columns, without it.
        findings: what is to be said.
    """

    unit: str
    names: tuple[str, ...]
    findings: tuple[Finding, ...] = ()


def header_unit(path: object, names: Sequence[str]) -> HeaderUnit:
    """The unit that stands in brackets behind the name of each column of readings.

    Args:
        path: of the file, for the message.
        names: of the columns.

    Raises:
        DataError: columns have several units.
    """
    pairs = [without_unit(name) for name in names]
    units = list(dict.fromkeys(unit for _, unit in pairs if unit))
    if not all(unit for _, unit in pairs) or not any(map(_is_unit, units)):
        return HeaderUnit("", tuple(names))
    if len({_plain(unit) for unit in units}) > 1:
        raise DataError(
            f"{path}: columns of readings must have one unit, but have {quoted(units)}; keep one "
            f"quantity in the file, or write a long table of several"
        )
    bare = tuple(name for name, _ in pairs)
    if len(set(bare)) < len(bare) or "" in bare:
        bare = tuple(names)
    return HeaderUnit(units[0], bare, (known(f"the unit is {units[0]}, by the header"),))


def without_unit(name: str) -> tuple[str, str]:
    """A name without what stands in brackets at its end, and that.

    Round brackets count only where they hold a usual unit, since places stand there too.
    """
    found = BRACKETS.match(name)
    if not found:
        return name, ""
    unit = (found["square"] or found["round"]).strip()
    if found["round"] and not _is_unit(unit):
        return name, ""
    return found["name"].strip(), unit


def with_units(channels: Sequence[Channel]) -> list[Channel]:
    """Channels whose names had a usual unit at their end, and that have no other."""
    found = [channel if channel.unit else _split(channel.name) for channel in channels]
    same = len({channel.name for channel in found}) < len(found)
    return list(channels) if same else found


def _split(name: str) -> Channel:
    bare, unit = without_unit(name)
    return Channel(name=bare, unit=unit) if bare and _is_unit(unit) else Channel(name=name)


def _is_unit(text: str) -> bool:
    return _plain(text) in KNOWN


def _plain(unit: str) -> str:
    plain = unit.translate(AS_WRITTEN).lower().replace("**", "").replace("deg.", "deg")
    return ALIKE.get(plain, plain)
