"""Names of columns as words, and what usual words mean."""

import re
from typing import Literal

__all__ = [
    "BEGINS",
    "CLOCKS",
    "ENDS",
    "TIMES",
    "CalendarField",
    "calendar_field",
    "is_clock_name",
    "is_elapsed_name",
    "is_flag_name",
    "is_height_name",
    "is_measure_name",
    "is_parameter_name",
    "is_placeholder",
    "is_quantity_name",
    "is_season_name",
    "is_sensor_name",
    "is_thing_name",
    "is_time_name",
    "is_total_name",
    "is_unit_name",
    "is_value_name",
    "is_year_name",
    "numbers_rows_name",
    "quantity_of",
    "sensor_rank",
    "words_of",
]

CalendarField = Literal["year", "month", "day", "yearday", "hour", "minute", "second"]
WORD_ENDS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


TIMES = _set(
    "time timestamp ts tstamp stamp date datetime datum unixtime unix epoch posix zeit zeitstempel "
    "tijd fecha utctime timestep when"
)
BESIDE_TIMES = _set(
    "ms s us ns sec secs second seconds milli millis milliseconds utc gmt local mess obs "
    "observation observed measurement start begin end from to of in the sample sampling index "
    "valid period at on recorded"
)
BEGINS = _set("start begin beginning from von first onset debut inicio")
ENDS = _set("end ending stop to until till bis finish fin last")
CLOCKS = _set("time clock hhmm hhmmss tod uhrzeit zeit heure hora ora tijd utc hour hr")
CALENDAR: dict[CalendarField, frozenset[str]] = {
    "year": _set("year yyyy yy yr jahr annee ano anno"),
    "month": _set("month mon mo mm monat mois mes"),
    "day": _set("day dd dy dom tag jour dia"),
    "yearday": _set("doy yday jday dayofyear"),
    "hour": _set("hour hr hh hours stunde heure hora"),
    "minute": _set("minute min mi mn minutes"),
    "second": _set("second sec ss seconds"),
}
ELAPSED = _set(
    "elapsed duration since offset s sec secs second seconds ms milliseconds min mins minute "
    "minutes h hr hrs hour hours step steps timestep tick ticks count index"
)
SEASONS = _set("weekday dow dayofweek week quarter season holiday weekend workday tod")
SENSORS = (
    "sensor id",
    "sensor",
    "sensorid",
    "station id",
    "stations id",
    "station",
    "entity id",
    "detector id",
    "detector",
    "location id",
    "location",
    "site id",
    "site",
)
THINGS = _set(
    "sensor sensors sensorid station stations stationid stn wban site siteid location locationid "
    "loc detector detectorid entity device deviceid node nodeid mote moteid meter meterid counter "
    "stop stopid segment link gauge asset well buoy plant facility monitor logger lclid"
)
MEASURES = _set("counter meter gauge monitor well")  # numbers of that name are readings
LABELS = _set("id ids no nr nbr num number code name key label uid the")
PARAMETERS = _set(
    "parameter param variable pollutant quantity observable element datatype indicator metric "
    "phenomenon species property measurand measure"
)
TOTALS = _set(
    "total totals sum sums all mean average avg overall gesamt summe mittel mittelwert alle"
)
VALUES = _set(
    "value values val reading readings result concentration measurement measured amount wert "
    "valeur valor observation data"
)
UNITS = _set("unit units uom unite einheit unitofmeasure")
FLAGS = _set(
    "qc flag flags quality qa qualifier status valid validity approved provisional comment "
    "comments remark remarks note notes bemerkung bemerkungen kommentar hinweis"
)
INFLUX_FIELD = "_field"
NO_FLAGS = _set("air index water")  # a quality of these is measured
ROWS = _set("index idx row rows rownum rowid nr seq fid objectid record")
UNNAMED = ((), ("unnamed", "0"), ("index", "level", "0"), ("level", "0"))
HEIGHTS = _set("elevation elev altitude alt height")
QUANTITIES = _set(
    "flow speed occupancy volume count temp temperature humidity pressure wind rain precipitation "
    "radiation power load voltage current pm25 pm10 o3 no2 no co so2 level discharge value tavg "
    "tmin tmax prcp aqi pm1 nox rh ws wd co2"
)


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name: ``stationId``, ``STATION_ID`` and ``station id`` alike."""
    return tuple(re.findall(r"[^\W\d_]+|\d+", WORD_ENDS.sub(" ", name).lower()))


def is_time_name(name: str) -> bool:
    """Whether a column of this name can only be a time."""
    words = [word for word in words_of(name) if not word.isdigit()]
    return bool(TIMES.intersection(words)) and TIMES.union(BESIDE_TIMES).issuperset(words)


def is_placeholder(name: str) -> bool:
    """Whether a program wrote the name of a column that had none."""
    return words_of(name) in UNNAMED or words_of(name) == ("index",)


def calendar_field(name: str) -> CalendarField | None:
    """Which part of a date or clock a name means."""
    words = words_of(name)
    if words in {("day", "of", "year"), ("julian", "day")}:
        return "yearday"
    if words == ("day", "of", "month"):
        return "day"
    if len(words) != 1:
        return None
    return next((field for field, known in CALENDAR.items() if words[0] in known), None)


def is_year_name(name: str) -> bool:
    """Whether a name says that numbers are years."""
    return bool(CALENDAR["year"].intersection(words_of(name)))


def is_elapsed_name(name: str) -> bool:
    """Whether a name says that numbers count time from some start."""
    return bool(ELAPSED.intersection(words_of(name)))


def is_season_name(name: str) -> bool:
    """Whether a name means the day of the week or the like."""
    return bool(SEASONS.intersection(words_of(name)))


def is_clock_name(name: str) -> bool:
    """Whether a column of this name can only be the time of the day."""
    return bool(words_of(name)) and CLOCKS.issuperset(words_of(name))


def is_sensor_name(name: str) -> bool:
    """Whether a column of this name can only tell which sensor a row is of."""
    words = words_of(name)
    named = bool(THINGS.intersection(words)) and THINGS.union(LABELS).issuperset(words)
    return words == ("id",) or named


def is_measure_name(name: str) -> bool:
    """Whether numbers of a name of a sensor may be its readings."""
    return MEASURES.issuperset(words_of(name))


def is_thing_name(name: str) -> bool:
    """Whether a name has a word for what is a sensor."""
    return bool(THINGS.intersection(words_of(name)))


def sensor_rank(name: str) -> tuple[int, bool]:
    """Smaller for names that are more surely those of sensors."""
    words = " ".join(words_of(name))
    return (SENSORS.index(words) if words in SENSORS else len(SENSORS)), words == "id"


def is_parameter_name(name: str) -> bool:
    """Whether a column of this name names the quantity of a row."""
    words = words_of(name)
    return name == INFLUX_FIELD or (bool(PARAMETERS.intersection(words)) and len(words) <= 2)


def is_value_name(name: str) -> bool:
    """Whether a column of this name has readings of whatever quantity."""
    return bool(VALUES.intersection(words_of(name)))


def is_unit_name(name: str) -> bool:
    """Whether a column of this name has the unit of a row's reading."""
    return bool(UNITS.intersection(words_of(name)))


def is_flag_name(name: str) -> bool:
    """Whether a column of this name holds a flag of quality."""
    words = words_of(name)
    return bool(FLAGS.intersection(words)) and not NO_FLAGS.intersection(words)


def numbers_rows_name(name: str) -> bool:
    """Whether a column of this name may number rows."""
    words = words_of(name)
    return words in UNNAMED or ROWS.issuperset(words) or words[-1] == "id"


def is_height_name(name: str) -> bool:
    """Whether a column of this name has the height of a place."""
    return bool(HEIGHTS.intersection(words_of(name)))


def is_quantity_name(name: str) -> bool:
    """Whether a name is one of a usual quantity."""
    compact = re.sub(r"[^a-z0-9]", "", name.lower().split("_")[0])  # as of PM2.5_24h
    return bool(QUANTITIES.intersection({*words_of(name), name.lower(), compact}))


def quantity_of(name: str) -> str:
    """The usual quantity in a name, "" where there is none."""
    return next((word for word in reversed(words_of(name)) if word in QUANTITIES), "")


def is_total_name(name: str) -> bool:
    """Whether a name means the sum or the mean of what is beside it."""
    return bool(words_of(name)) and TOTALS.issuperset(words_of(name))
