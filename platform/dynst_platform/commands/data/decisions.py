"""Costs, groups and marks from a table, for a store that exists."""

from pathlib import Path

from dynst.data.decisions import replace_decisions
from dynst.data.importers.places.attributes import read_attributes
from dynst.data.importers.report import ImportReport
from dynst.data.sensor_table import Sensors
from dynst_platform.config.opening import memory, open_here

__all__ = ["decide"]


def decide(store: Path, table: Path, reset: bool) -> ImportReport:
    """Put a table's columns into a store; returns what was understood.

    Args:
        store: its folder.
        table: delimited text with a column id.
        reset: whether sensors and columns that the table leaves out get their defaults again.

    Raises:
        DataError: there is no usable store, or the table does not fit it.
    """
    before = open_here(store).sensors
    known = Sensors(before.ids, before.positions) if reset else before
    sensors, findings = read_attributes(table, known)
    replace_decisions(store, sensors, memory=memory())
    return ImportReport("a table of sensors", findings)
