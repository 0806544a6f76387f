"""Units in brackets behind the names of columns."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dynst.data.importers.import_store import GraphOptions, import_store
from dynst.data.importers.source import ReadOptions
from dynst.data.store import SensorStore, open_store
from dynst.errors import DataError

TIMES = pd.date_range("2024-03-01", periods=48, freq="h")


def wide(folder: Path, *names: str) -> Path:
    values = np.random.default_rng(0).uniform(1, 9, (48, len(names))).round(2)
    pd.DataFrame(values, TIMES, list(names)).to_csv(folder / "x.csv", index_label="time")
    return folder / "x.csv"


def taken(folder: Path, file: Path, **options: object) -> SensorStore:
    import_store(file, folder / "store", **options)  # type: ignore[arg-type]
    return open_store(folder / "store")


@pytest.mark.parametrize(
    ("names", "unit", "ids"),
    [
        (("A [m³/h]", "B [m³/h]"), "m³/h", ("A", "B")),
        (("A (kW)", "B (kW)"), "kW", ("A", "B")),
        (("A [°C]", "B [degC]"), "°C", ("A", "B")),
        (("Quay St [north]", "Quay St [south]"), "", ("Quay St [north]", "Quay St [south]")),
        (("Quay St (E)", "Quay St (W)"), "", ("Quay St (E)", "Quay St (W)")),
        (("A (kW)", "B"), "", ("A (kW)", "B")),
        (("A [veh/15min]", "B"), "", ("A [veh/15min]", "B")),
        (("flow[1]", "flow[2]"), "", ("flow[1]", "flow[2]")),
    ],
)
def test_the_unit_of_a_wide_header(
    tmp_path: Path, names: tuple[str, ...], unit: str, ids: tuple[str, ...]
) -> None:
    store = taken(tmp_path, wide(tmp_path, *names))
    assert (store.manifest.channels[0].unit, store.sensors.ids) == (unit, ids)


@pytest.mark.parametrize(
    "names",
    [("A (kW)", "B (W)"), ("A [kW]", "B [W]"), ("AHU1.SAT (Deg C)", "AHU1.RH (%)")],
)
def test_columns_of_several_units_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="must have one unit, but have"):
        import_store(wide(tmp_path, *names), tmp_path / "store")


def test_places_are_named_without_the_unit(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,longitude,latitude\nA,9.1,48.7\nB,9.2,48.8\n")
    graph = GraphOptions(positions=tmp_path / "p.csv")
    store = taken(tmp_path, wide(tmp_path, "A [m³/h]", "B [m³/h]"), graph=graph)
    assert store.sensors.positions is not None
    assert store.sensors.positions[:, 0].tolist() == [9.1, 9.2]


@pytest.mark.parametrize("variables", [(), ("flow [m³/h]",)])
def test_the_unit_of_a_quantity_of_a_long_table(tmp_path: Path, variables: tuple[str, ...]) -> None:
    rows = [(time, name, 1.5 * step) for step, time in enumerate(TIMES) for name in "AB"]
    table = pd.DataFrame(rows, columns=["time", "station", "flow [m³/h]"])
    table.to_csv(tmp_path / "x.csv", index=False)
    store = taken(tmp_path, tmp_path / "x.csv", options=ReadOptions(variables=variables))
    assert [(each.name, each.unit) for each in store.manifest.channels] == [("flow", "m³/h")]
