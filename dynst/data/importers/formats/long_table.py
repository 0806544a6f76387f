"""Long CSV or Parquet: one row a reading, with columns for time, sensor and one or more
quantities.
"""

from dataclasses import replace
from pathlib import Path

from dynst.data.importers.columns.first_cells import Columns, quoted
from dynst.data.importers.columns.quantities import Quantities, aside_finding, find_quantities
from dynst.data.importers.columns.sensors import find_sensor
from dynst.data.importers.columns.times import find_stamps
from dynst.data.importers.formats.tables import Table, is_table, open_table
from dynst.data.importers.long_form.readings import LongReadings
from dynst.data.importers.long_form.signals import Signals
from dynst.data.importers.long_form.survey import LongRows, Survey, survey
from dynst.data.importers.report import Finding, known
from dynst.data.importers.resample import steps_of
from dynst.data.importers.source import ReadOptions, Source
from dynst.data.manifest import Channel
from dynst.errors import DataError

__all__ = ["KIND", "long_source", "matches", "read"]

KIND = "long-table"
MAX_COLUMNS = 40


def matches(path: Path, options: ReadOptions) -> bool:
    if not is_table(path):
        return False
    try:
        table = open_table(path, options)
    except Exception:  # the reader itself will say what is wrong
        return False
    if options.sensor_column is not None:
        return True
    columns = Columns(table, options)
    if len(table.columns) > MAX_COLUMNS:
        return False
    try:
        stamps = find_stamps(columns)
        return stamps is not None and find_sensor(columns, stamps) is not None
    except DataError:  # there are several, so there is one
        return True


def read(path: Path, options: ReadOptions) -> Source:
    return long_source(KIND, open_table(path, options), options)


def long_source(kind: str, table: Table, options: ReadOptions) -> Source:
    """Two passes: who and when, then the readings into a scratch array on disk, so that memory
    stays bounded.
    """
    columns = Columns(table, options)
    stamps = find_stamps(columns)
    sensor = find_sensor(columns, stamps) if stamps else None
    if stamps is None or sensor is None:
        raise DataError(
            f"{table.path} must have columns for time and sensor; name them with --time-column "
            f"and --sensor-column"
        )
    quantities = find_quantities(columns, stamps.columns, sensor.name)
    reader = stamps.reader(table, options)
    steps = steps_of(reader.clock, options)
    rows = LongRows(columns, stamps, reader, sensor.name, quantities.parameter)
    table.check_readings(quantities.readings)
    seen = survey(rows, quantities, steps)
    _refuse_names(table, seen, sensor.name, options)
    quantities = _decided(quantities, seen)
    channels, of_parameter = _channels(table, quantities, seen, options)
    positions, geometry, placed = seen.positions(quantities.places)
    signals = Signals(
        [channel.name for channel in channels], len(seen.ids), asked=bool(options.variables)
    )
    source = Source(
        kind,
        tuple(seen.ids),
        channels,
        lambda: iter(()),
        positions=positions,
        geometry=geometry,
        clock=reader.clock,
        findings=(
            *table.findings,
            _summary(rows, quantities),
            *stamps.findings,
            *reader.findings,
            *sensor.findings,
            *aside_finding(quantities.aside),
            *placed,
            *((steps.finding,) if steps else ()),
        ),
        late_findings=lambda: (*signals.findings(), *(steps.partial() if steps else ())),
        aggregated=steps is not None,
    )
    second = LongReadings(rows, quantities, seen, of_parameter, steps, source)
    return replace(source, blocks=lambda: signals.watch(second.blocks(options.markers)))


def _summary(rows: LongRows, quantities: Quantities) -> Finding:
    readings = quoted(quantities.readings)
    if quantities.parameter is not None:
        readings += f", one channel for each '{quantities.parameter}'"
    return known(
        f"time from {quoted(rows.stamps.columns)}, sensors from '{rows.sensor}', readings from "
        f"{readings}"
    )


def _refuse_names(table: Table, seen: Survey, sensor: str, options: ReadOptions) -> None:
    if "" in seen.ids:
        raise DataError(f"{table.path}: every row must name its sensor, but one has a blank")
    if options.sensor_column is None and len(seen.ids) == seen.rows > len(seen.time) > 1:
        raise DataError(
            f"{table.path}: '{sensor}' has another value in each of {seen.rows:,} rows, so it "
            f"numbers rows and names no sensor; name the sensors' column with --sensor-column"
        )


def _decided(quantities: Quantities, seen: Survey) -> Quantities:
    """Without the columns that never change, unless there are no others."""
    steady = [name for name in quantities.doubtful if seen.tells_places(name)]
    readings = tuple(name for name in quantities.readings if name not in steady)
    if not readings:
        return quantities
    why = dict.fromkeys(steady, "the same throughout for each sensor")
    return replace(quantities, readings=readings, aside={**quantities.aside, **why})


def _channels(
    table: Table, quantities: Quantities, seen: Survey, options: ReadOptions
) -> tuple[tuple[Channel, ...], dict[int, int]]:
    """The channels, and which of them each parameter is, by the parameter's place."""
    if quantities.parameter is None:
        unit = _unit(table, seen, 0, quantities.readings[0]) if quantities.unit else ""
        return tuple(Channel(name=name, unit=unit) for name in quantities.readings), {}
    names = list(seen.parameters)
    asked = options.variables or tuple(names)
    absent = [name for name in asked if name not in names]
    if absent:
        raise DataError(
            f"there is no variable '{absent[0]}'; '{quantities.parameter}' of {table.path} has "
            f"{quoted(names)}"
        )
    if options.variables:
        options.apply("variables")
    places = {seen.parameters[name]: index for index, name in enumerate(asked)}
    units = [_unit(table, seen, place, names[place]) for place in places]
    channels = [Channel(name=name, unit=unit) for name, unit in zip(asked, units, strict=True)]
    return tuple(channels), places


def _unit(table: Table, seen: Survey, place: int, name: str) -> str:
    units = list(seen.units.get(place, {}))
    if len(units) > 1:
        raise DataError(
            f"{table.path}: readings of '{name}' must have one unit, but have {quoted(units)}; "
            f"convert them to one"
        )
    return units[0] if units else ""
