"""Long CSV or Parquet: one row a reading, with columns for time, sensor and one or more
quantities.
"""

from dataclasses import replace
from pathlib import Path

from dynst.data.importers.columns.first_cells import Columns, quoted
from dynst.data.importers.columns.quantities import Quantities, aside_finding, find_quantities
from dynst.data.importers.columns.sensors import find_sensor
from dynst.data.importers.columns.spread_times import refuse_seasons, refuse_spread_times
from dynst.data.importers.columns.times import find_stamps
from dynst.data.importers.columns.zones import zone_findings
from dynst.data.importers.formats.tables import Table, is_table, open_table
from dynst.data.importers.long_form.readings import LongReadings
from dynst.data.importers.long_form.signals import Signals
from dynst.data.importers.long_form.spellings import said_of_spellings
from dynst.data.importers.long_form.survey import LongRows, Survey, survey
from dynst.data.importers.report import Finding, known
from dynst.data.importers.resample import steps_of
from dynst.data.importers.source import ReadOptions, Source
from dynst.data.manifest import Channel
from dynst.errors import DataError

__all__ = ["KIND", "long_source", "matches", "read"]

KIND = "long-table"
MAX_COLUMNS = 40
LEAST_FILLED = 0.1  # of the readings of sensors that were found without being asked for


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
    table, columns = _with_names(table, options)
    stamps = find_stamps(columns)
    refuse_spread_times(columns, stamps)
    if stamps is not None:
        refuse_seasons(columns, stamps)
    sensor = find_sensor(columns, stamps) if stamps else None
    if stamps is None or sensor is None:
        raise DataError(
            f"{table.path} must have columns for time and sensor; name them with --time-column "
            f"and --sensor-column"
        )
    quantities = find_quantities(columns, stamps.columns, sensor.name)
    reader = stamps.reader(table, options)
    zoned = reader.clock.zone is not None or options.zone is not None
    zones = zone_findings(columns, _taken(options), zoned=zoned)
    steps = steps_of(reader.clock, options)
    rows = LongRows(columns, stamps, reader, sensor.name, quantities.parameter)
    table.check_readings(quantities.readings)
    seen = survey(rows, quantities, steps)
    _refuse_names(table, seen, sensor.name, options)
    _refuse_scattered(table, seen, sensor.name, options)
    spellings = said_of_spellings(table.path, sensor.name, list(seen.ids))
    quantities = _decided(quantities, seen)
    channels, of_parameter = _channels(table, quantities, seen, options)
    wanted = quantities.places if options.own_positions else None
    positions, geometry, placed = seen.positions(wanted, table.path)
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
            _summary(rows, quantities, certain=sensor.certain),
            *stamps.findings,
            *reader.findings,
            *sensor.findings,
            *aside_finding(quantities.aside),
            *zones,
            *spellings,
            *placed,
            *((steps.finding,) if steps else ()),
        ),
        late_findings=lambda: (*signals.findings(), *(steps.partial() if steps else ())),
        aggregated=steps is not None,
    )
    second = LongReadings(rows, quantities, seen, of_parameter, steps, source)
    return replace(source, blocks=lambda: signals.watch(second.blocks(options.markers)))


def _with_names(table: Table, options: ReadOptions) -> tuple[Table, Columns]:
    """The table, in which a sensor may be called NA where the user names their column."""
    if options.sensor_column is not None:
        table = replace(table, named=options.sensor_column)
    return table, Columns(table, options)


def _taken(options: ReadOptions) -> list[str]:
    """Columns whose role the user gives."""
    sensor = [options.sensor_column] if options.sensor_column is not None else []
    return [*options.time_columns, *options.variables, *sensor]


def _summary(rows: LongRows, quantities: Quantities, *, certain: bool) -> Finding:
    readings = quoted(quantities.readings)
    if quantities.parameter is not None:
        readings += f", one channel for each '{quantities.parameter}'"
    sensors = f" sensors from '{rows.sensor}'," if certain else ""
    return known(f"time from {quoted(rows.stamps.columns)},{sensors} readings from {readings}")


def _refuse_names(table: Table, seen: Survey, sensor: str, options: ReadOptions) -> None:
    if "" in seen.ids:
        raise DataError(f"{table.path}: every row must name its sensor, but one has a blank")
    if options.sensor_column is None and len(seen.ids) == seen.rows > len(seen.time) > 1:
        raise DataError(
            f"{table.path}: '{sensor}' has another value in each of {seen.rows:,} rows, so it "
            f"numbers rows and names no sensor; name the sensors' column with --sensor-column"
        )


def _refuse_scattered(table: Table, seen: Survey, sensor: str, options: ReadOptions) -> None:
    """A column that leaves nearly all readings missing may name something else than sensors."""
    cells = len(seen.time) * len(seen.ids) * max(1, len(seen.parameters))
    if options.sensor_column is None and seen.rows < LEAST_FILLED * cells:
        raise DataError(
            f"{table.path}: '{sensor}' gives {len(seen.ids):,} sensors, of which "
            f"{1 - seen.rows / cells:.2%} of readings are missing; name another column with "
            f"--sensor-column, or say --sensor-column '{sensor}' if it is right, perhaps with "
            f"--resample 1h where each sensor has times of its own"
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
