"""What is known because the user said it with a flag that no other line of the report names."""

from dynst.data.importers.report import Finding, known
from dynst.data.importers.source import ReadOptions

__all__ = ["said_by_flags"]

TEXTS = {
    "time_format": "times are written as {}, by --time-format",
    "zone": "the zone of the clock is {}, by --zone",
    "decimal": "the decimal sign is '{}', by --decimal",
    "key": "the frame is that of the key '{}', by --key",
}


def said_by_flags(options: ReadOptions) -> tuple[Finding, ...]:
    """A line for each flag that decided how the file was read."""
    found = [
        known(text.format(getattr(options, name)))
        for name, text in TEXTS.items()
        if name in options.applied and getattr(options, name) is not None
    ]
    if "day_first" in options.applied:
        first, flag = ("day", "--day-first") if options.day_first else ("month", "--month-first")
        found.insert(0, known(f"the {first} comes first in dates, by {flag}"))
    return tuple(found)
