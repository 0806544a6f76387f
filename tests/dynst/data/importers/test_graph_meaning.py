"""Graphs whose names or columns have two plausible meanings: names win, codes are asked about."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynst.data.importers.graphs.graph_files import read_graph
from dynst.data.importers.import_store import GraphOptions, import_store
from dynst.data.store import open_store
from dynst.errors import DataError
from tests.dynst.data.importers.test_dcrnn import write
from tests.dynst.data.importers.test_graph_files import imported, written

ONE_EDGE = ",0,1,2,3\n0,0,1,0,0\n1,0,0,0,0\n2,0,0,0,0\n3,0,0,0,0\n"


def test_names_that_count_up_are_names_where_the_sensors_are_called_so(tmp_path: Path) -> None:
    edges, report = imported(tmp_path, written(tmp_path, ONE_EDGE), ("3", "1", "0", "2"))
    assert edges == {("0", "1"): 1.0}
    assert not any("order" in text for text in report.assumed)


@settings(max_examples=25, deadline=None)
@given(ids=st.permutations(range(6)), data=st.data())
def test_a_matrix_goes_by_name_whatever_the_order_of_the_sensors(
    tmp_path_factory: pytest.TempPathFactory, ids: list[int], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("g")
    source, target = data.draw(st.permutations(range(6)))[:2]
    frame = pd.DataFrame(np.zeros((6, 6)))
    frame.loc[source, target] = 0.5
    frame.to_csv(folder / "g.csv")
    names = tuple(map(str, ids))
    edges = read_graph(folder / "g.csv", names).edges
    assert (names[edges.source[0]], names[edges.target[0]]) == (str(source), str(target))


def test_names_that_count_up_and_are_no_sensors_are_places(tmp_path: Path) -> None:
    edges, report = imported(tmp_path, written(tmp_path, ONE_EDGE), ("C", "A", "B", "D"))
    assert edges == {("C", "A"): 1.0}
    assert any("follow the order of the readings' columns" in text for text in report.assumed)


@pytest.mark.parametrize(
    ("name", "cells"),
    [("oneway", "010"), ("lanes", "214"), ("direction", "011"), ("length_class", "213")],
)
@pytest.mark.parametrize("ends", ["from,to", "a,b"])
def test_codes_of_edges_are_no_weights(tmp_path: Path, name: str, cells: str, ends: str) -> None:
    rows = "".join(f"{a},{b},{c}\n" for a, b, c in zip("ABC", "BCA", cells, strict=True))
    with pytest.raises(DataError, match=f"'{name}' holds whole numbers.*rename it to weight, or"):
        imported(tmp_path, written(tmp_path, f"{ends},{name}\n{rows}"), ("A", "B", "C"))


def test_the_column_of_weights_is_always_named(tmp_path: Path) -> None:
    text = "from,to,distance,oneway\nA,B,100,0\nB,C,200,1\n"
    _, report = imported(tmp_path, written(tmp_path, text), ("A", "B", "C"))
    assert any("2 edges from g.csv, weights from column 'distance'" in t for t in report.known)


def test_an_unknown_column_of_weights_is_assumed(tmp_path: Path) -> None:
    text = "from,to,rho\nA,B,0.25\nB,C,0.5\n"
    edges, report = imported(tmp_path, written(tmp_path, text), ("A", "B", "C"))
    assert edges == {("A", "B"): 0.25, ("B", "C"): 0.5}
    assert any("column 'rho' holds the weights" in text for text in report.assumed)


@pytest.mark.parametrize("size", [3, 4, 6])
def test_a_matrix_of_another_size_is_called_one(tmp_path: Path, size: int) -> None:
    rows = "\n".join(",".join(map(str, row)) for row in np.full((size, size), 0.5))
    with pytest.raises(DataError, match=f"a {size} × {size} matrix, but there are 5 sensors"):
        imported(tmp_path, written(tmp_path, rows + "\n"), tuple("ABCDE"))


def test_one_edge_is_no_edges(tmp_path: Path) -> None:
    _, report = imported(tmp_path, written(tmp_path, "from,to,weight\nA,B,0.5\n"), ("A", "B"))
    assert any(text.startswith("1 edge from") for text in report.known)


def dcrnn(folder: Path, ids: list[str]) -> Path:
    """Windows of four sensors, and a graph from the first of ``ids`` to the second."""
    write(folder / "in", np.random.default_rng(0).random((60, 4)), (30, 40), (3, 3))
    matrix = np.zeros((len(ids), len(ids)))
    matrix[0, 1] = 0.5
    content = [ids, {name: place for place, name in enumerate(ids)}, matrix]
    (folder / "in" / "adj_mx.pkl").write_bytes(pickle.dumps(content))
    return folder / "in"


def test_sensors_of_dcrnn_have_the_ids_of_its_graph(tmp_path: Path) -> None:
    path = dcrnn(tmp_path, ["773869", "767541", "767542", "717447"])
    report = import_store(path, tmp_path / "store")
    store = open_store(tmp_path / "store")
    assert store.sensors.ids == ("773869", "767541", "767542", "717447")
    assert (store.edges.source.tolist(), store.edges.target.tolist()) == ([0], [1])
    assert any("sensor ids are those of adj_mx.pkl" in text for text in report.assumed)


def test_another_graph_of_dcrnn_goes_by_these_ids(tmp_path: Path) -> None:
    path = dcrnn(tmp_path, ["773869", "767541", "767542", "717447"])
    graph = written(tmp_path, "from,to,weight\n717447,773869,0.5\n")
    import_store(path, tmp_path / "store", graph=GraphOptions(graph=graph))
    edges = open_store(tmp_path / "store").edges
    assert (edges.source.tolist(), edges.target.tolist()) == ([3], [0])


def test_a_graph_of_other_sensors_than_the_windows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a 3 × 3 matrix, but there are 4 sensors"):
        import_store(dcrnn(tmp_path, ["773869", "767541", "767542"]), tmp_path / "store")
