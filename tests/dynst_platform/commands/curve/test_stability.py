"""The searches of a curve that were run again, as tables."""

from itertools import compress

import pandas as pd
import pytest

from dynst.data.store import SensorStore
from dynst_platform.commands.curve.stability import stability_tables


def rows(store: SensorStore, *kept: str, sparsity: float = 0.5) -> pd.DataFrame:
    """``x`` is on, of the first sensors; the others stay on."""
    ids = store.sensors.ids
    padded = [marks.ljust(len(ids), "x") for marks in kept]
    names = ["|".join(compress(ids, (mark == "x" for mark in marks))) for marks in padded]
    columns = {"stage": "as it is", "choice": "dynst_rerun", "sparsity": sparsity, "active": names}
    return pd.DataFrame(columns)


def test_each_sensor_has_the_share_of_the_runs_that_keep_it(network: SensorStore) -> None:
    table = pd.concat(
        [rows(network, "x..", "xx.", ".x."), rows(network, "...", "...", sparsity=0.75)]
    )
    found = stability_tables(table, network)
    assert found is not None
    kept = found.sensors.pivot(index="sensor", columns="sparsity", values="kept")
    assert kept[0.5].tolist() == pytest.approx([2 / 3, 2 / 3, 0, *[1] * 5])
    assert kept[0.75].tolist() == [0, 0, 0, *[1] * 5]


def test_neighbours_of_which_one_goes_are_named(network: SensorStore) -> None:
    first, second = int(network.edges.source[0]), int(network.edges.target[0])
    marks = [
        "".join("." if index == off else "x" for index in range(8)) for off in (first, second) * 3
    ]
    found = stability_tables(rows(network, *marks), network)
    assert found is not None
    one, other = sorted((f"s{first}", f"s{second}"))
    assert found.pairs.to_dict("records") == [
        {
            "sparsity": 0.5,
            "sensor": one,
            "other": other,
            "one_goes": 6,
            "sensor_goes": 3,
            "runs": 6,
        }
    ]


def test_without_runs_there_are_no_tables(network: SensorStore) -> None:
    table = rows(network, "x..", "xx.")
    assert stability_tables(table.assign(choice="dynst"), network) is None
    assert stability_tables(table[:1], network) is None
