"""Graphs: nodes by name before place, one direction, weights that are known or asked about."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from dynst.data.importers.graphs.graph_files import WeightKind, read_graph
from dynst.data.importers.import_store import GraphOptions, ImportReport, import_store
from dynst.data.store import open_store
from dynst.errors import DataError
from tests.conftest import shared_data

IDS = ("400001", "400017", "400030", "400045")
Triples = dict[tuple[str, str], Any]


def readings(folder: Path, ids: tuple[str, ...] = IDS) -> Path:
    """A wide table of six hours."""
    rows = [[f"2024-03-01 {hour:02d}:00:00", *range(len(ids))] for hour in range(6)]
    pd.DataFrame(rows, columns=["time", *ids]).to_csv(folder / "r.csv", index=False)
    return folder / "r.csv"


def imported(
    folder: Path,
    graph: Path,
    ids: tuple[str, ...] = IDS,
    weights: WeightKind = "auto",
) -> tuple[Triples, ImportReport]:
    """Edges of a store by the names of their ends, and the report."""
    options = GraphOptions(graph=graph, weights=weights)
    report = import_store(readings(folder, ids), folder / "store", graph=options)
    store = open_store(folder / "store")
    names = store.sensors.ids
    assert names == ids
    edges = store.edges
    rows = zip(edges.source.tolist(), edges.target.tolist(), edges.weight.tolist(), strict=True)
    return {(names[a], names[b]): pytest.approx(w, abs=1e-6) for a, b, w in rows}, report


def written(folder: Path, text: str, name: str = "g.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def kernel(*distances: float) -> list[float]:
    """Proximities of distances, computed apart."""
    width = np.std(distances) or np.mean(distances)
    return [float(np.exp(-((distance / width) ** 2))) for distance in distances]


CHAIN = "C,0.0,0.5,0.0,0.2\nA,0.5,0.0,0.9,0.0\nB,0.0,0.9,0.0,0.0\nD,0.2,0.0,0.0,0.0\n"
BARE = "".join(line.partition(",")[2] for line in CHAIN.splitlines(keepends=True))


@pytest.mark.parametrize(
    "text",
    [
        ",C,A,B,D\n" + CHAIN,
        "id,C,A,B,D\n" + CHAIN,
        "C,A,B,D\n" + CHAIN,  # as R writes it
        "C,A,B,D\n" + BARE,
        CHAIN,
        (",C,A,B,D\n" + CHAIN).replace(",", ";"),
        (",C,A,B,D\n" + CHAIN).replace(",", "\t"),
        "\ufeff,C,A,B,D\n" + CHAIN,
        ", C ,A,B,D\n" + CHAIN,
    ],
    ids=["pandas", "corner", "r", "above", "beside", "semicolons", "tabs", "bom", "blanks"],
)
def test_a_matrix_keeps_the_names_above_and_beside_it(tmp_path: Path, text: str) -> None:
    edges, _ = imported(tmp_path, written(tmp_path, text), ("A", "B", "C", "D"))
    assert edges == {
        ("A", "B"): 0.9,
        ("B", "A"): 0.9,
        ("A", "C"): 0.5,
        ("C", "A"): 0.5,
        ("C", "D"): 0.2,
        ("D", "C"): 0.2,
    }


def test_rows_and_columns_may_have_different_orders(tmp_path: Path) -> None:
    text = ",B,A\nA,0.9,0\nB,0,0.3\n"  # A → B 0.9, B → A 0.3
    edges, report = imported(tmp_path, written(tmp_path, text), ("A", "B"))
    assert edges == {("A", "B"): 0.9, ("B", "A"): 0.3}
    assert any("row i and column j is an edge from i to j" in text for text in report.assumed)


@pytest.mark.parametrize(
    ("names", "certain"),
    [
        (["400030.0", "400001.0", "400045.0", "400017.0"], True),
        ([" 400030", "400001 ", "400045", "400017"], True),
        (["0400030", "0400001", "0400045", "0400017"], False),
    ],
)
def test_names_of_a_matrix_are_matched_though_written_otherwise(
    tmp_path: Path, names: list[str], certain: bool
) -> None:
    matrix = np.eye(4)
    matrix[1, 3] = 0.5273  # 400001 → 400017
    (tmp_path / "g.pkl").write_bytes(
        pickle.dumps([names, {name: i for i, name in enumerate(names)}, matrix])
    )
    edges, report = imported(tmp_path, tmp_path / "g.pkl")
    assert edges == {("400001", "400017"): 0.5273}
    said = report.known if certain else report.assumed
    assert any("sensor ids" in text for text in said)


@pytest.mark.parametrize("size", [3, 6])
@pytest.mark.parametrize("form", ["both", "above", "beside", "corner", "r"])
def test_names_that_are_numbers_are_no_entries(tmp_path: Path, size: int, form: str) -> None:
    ids = tuple(str(500 + 7 * index) for index in range(size))
    matrix = np.zeros((size, size))
    matrix[0, 1] = 0.5
    frame = pd.DataFrame(matrix, index=list(ids), columns=list(ids)).iloc[::-1, ::-1]
    text = frame.to_csv(index=form != "above", header=form != "beside")
    text = {"corner": "0" + text, "r": text[1:]}.get(form, text)
    edges = read_graph(written(tmp_path, text), ids).edges
    assert (edges.source.tolist(), edges.target.tolist()) == ([0], [1])


@pytest.mark.parametrize(
    "text",
    [
        ",A,B,C,X\nA,0,1,0,0\nB,0,0,1,0\nC,0,0,0,1\nX,0,0,0,0\n",
        "A,B,C,X\n0,1,0,0\n0,0,1,0\n0,0,0,1\n0,0,0,0\n",
        ",A,B,C,D\nA,0,1,0,0\nB,0,0,1,0\nC,0,0,0,1\nX,0,0,0,0\n",
        ",1,2,3,4\n1,0,1,0,0\n2,0,0,1,0\n3,0,0,0,1\n4,0,0,0,0\n",
    ],
)
def test_strangers_among_the_names_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"must name every sensor|no sensors? of") as caught:
        imported(tmp_path, written(tmp_path, text), ("A", "B", "C", "D"))
    assert "'X'" in str(caught.value) or "'1'" in str(caught.value)
    assert "r.csv" not in str(caught.value)


def test_a_matrix_that_names_more_sensors_is_cut(tmp_path: Path) -> None:
    text = ",X,B,A\nX,0,1,1\nB,0,0,0.5\nA,1,0,0\n"
    edges, report = imported(tmp_path, written(tmp_path, text), ("A", "B"))
    assert edges == {("B", "A"): 0.5}
    assert any("names 1 sensor without readings" in text for text in report.known)


def test_a_matrix_without_names_follows_the_order_and_says_so(tmp_path: Path) -> None:
    np.save(tmp_path / "g.npy", np.array([[0, 1.0], [0, 0]]))
    edges, report = imported(tmp_path, tmp_path / "g.npy", ("A", "B"))
    assert edges == {("A", "B"): 1.0}
    assert any("follow the order of the readings' columns" in text for text in report.assumed)
    np.save(tmp_path / "h.npy", np.zeros((3, 3)))
    with pytest.raises(DataError, match="a 3 × 3 matrix, but there are 2 sensors"):
        read_graph(tmp_path / "h.npy", ("A", "B"))


def test_numbers_are_no_names_to_cut_a_matrix_by(tmp_path: Path) -> None:
    """Of 0, 1, 2 the readings may lack any."""
    pd.DataFrame(np.ones((6, 6))).to_csv(tmp_path / "g.csv")
    with pytest.raises(DataError, match="a 6 × 6 matrix, but there are 5 sensors"):
        read_graph(tmp_path / "g.csv", tuple("01234"))


def test_a_list_and_a_matrix_of_one_network_give_the_same_edges(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    matrix = random.uniform(0.1, 1, (5, 5)) * (random.random((5, 5)) < 0.5)
    np.fill_diagonal(matrix, 0)
    ids = tuple("PQRST")
    rows = [(ids[a], ids[b], matrix[a, b]) for a, b in zip(*matrix.nonzero(), strict=True)]
    random.shuffle(rows)
    frame = pd.DataFrame(matrix, index=list(ids), columns=list(ids)).loc[list("TPSQR"), :]
    frame.to_csv(tmp_path / "matrix.csv")
    pd.DataFrame(rows, columns=["from", "to", "weight"]).to_csv(tmp_path / "list.csv")
    np.save(tmp_path / "bare.npy", matrix)
    sparse.save_npz(tmp_path / "sparse.npz", sparse.csr_matrix(matrix))
    np.savez(tmp_path / "dense.npz", adj_mx=matrix, sensor_ids=np.array(ids))
    expected = {(a, b): w for a, b, w in rows}
    for name in ("matrix.csv", "list.csv", "bare.npy", "sparse.npz", "dense.npz"):
        edges = read_graph(tmp_path / name, ids).edges
        found = zip(edges.source, edges.target, edges.weight, strict=True)
        assert {(ids[a], ids[b]): pytest.approx(w, rel=1e-6) for a, b, w in found} == expected
        assert np.all(np.diff(edges.source * 5 + edges.target) > 0)


LISTS = {
    "index": ",from,to,cost\n0,A,B,100\n1,B,C,200\n",
    "link id": "link_id,from,to,distance\n0,A,B,100\n1,B,C,200\n",
    "weight first": "distance,from,to\n100,A,B\n200,B,C\n",
    "km": "from,to,Distance (km)\nA,B,100\nB,C,200\n",
    "metres": "from,to,dist_m\nA,B,100\nB,C,200\n",
    "ids": "origin_id;destination_id;length\nA;B;100\nB;C;200\n",
    "target first": "to_node\tfrom_node\tcost\nB\tA\t100\nC\tB\t200\n",
    "letters": "i,j,km\nA,B,100\nB,C,200\n",
    "bom": "\ufeffsource,target,cost\nA,B,100\nB,C,200\n",
    "camel": "FromID,ToID,travelTime\nA,B,100\nB,C,200\n",
    "names beside": "from_lat,from_id,to_id,to_lat,cost\n1,A,B,2,100\n2,B,C,3,200\n",
}


@pytest.mark.parametrize("name", LISTS)
def test_columns_of_a_list_are_found_by_name(tmp_path: Path, name: str) -> None:
    edges, _ = imported(tmp_path, written(tmp_path, LISTS[name]), ("A", "B", "C"))
    near, far = kernel(100, 200)
    assert edges == {("A", "B"): near, ("B", "C"): far}


def test_numbered_nodes_beside_row_numbers(tmp_path: Path) -> None:
    text = ",from,to,cost\n0,0,1,100\n1,1,2,200\n2,2,3,150\n3,3,4,300\n4,4,5,250\n"
    edges, _ = imported(tmp_path, written(tmp_path, text), tuple("012345"))
    weights = kernel(100, 200, 150, 300, 250)
    assert edges == {(str(n), str(n + 1)): weight for n, weight in enumerate(weights)}


def test_a_list_of_names_without_a_header_loses_no_edge(tmp_path: Path) -> None:
    edges, report = imported(tmp_path, written(tmp_path, "A,B,0.5\nB,A,1\n"), ("A", "B"))
    assert edges == {("A", "B"): 0.5, ("B", "A"): 1.0}
    assert any("no header line" in text for text in report.assumed)
    graph = read_graph(written(tmp_path, "A,B\nB,C\n"), ("A", "B", "C", "D"))
    assert len(graph.edges) == 2


def test_sensors_may_be_called_as_columns_are(tmp_path: Path) -> None:
    graph = read_graph(written(tmp_path, "i,j,0.5\nj,i,1\n"), ("i", "j"))
    assert graph.edges.weight.tolist() == [0.5, 1]
    assert len(read_graph(written(tmp_path, ",i,j\ni,0,1\nj,0.5,0\n"), ("i", "j")).edges) == 2


def test_the_flag_reaches_a_graph_beside_the_readings(tmp_path: Path) -> None:
    np.savez(tmp_path / "flow.npz", data=np.arange(12.0).reshape(6, 2, 1))
    written(tmp_path, "from,to,weight\n0,1,700\n1,0,500\n", "flow.csv")
    with pytest.raises(DataError, match="say --weights distance or --weights proximity"):
        import_store(tmp_path / "flow.npz", tmp_path / "store")
    told = GraphOptions(weights="distance")
    import_store(tmp_path / "flow.npz", tmp_path / "told", graph=told)
    found = open_store(tmp_path / "told").edges.weight
    np.testing.assert_allclose(found, kernel(700, 500), rtol=1e-5)
    other = GraphOptions(graph=written(tmp_path, "from,to\n0,1\n"))
    import_store(tmp_path / "flow.npz", tmp_path / "other", graph=other)
    assert len(open_store(tmp_path / "other").edges) == 1


def test_the_flag_is_refused_where_there_is_no_graph(tmp_path: Path) -> None:
    told = GraphOptions(weights="distance")
    with pytest.raises(DataError, match="--weights had no effect"):
        import_store(readings(tmp_path), tmp_path / "store", graph=told)


def test_the_numbers_that_pandas_gives_to_columns_are_no_edge(tmp_path: Path) -> None:
    pd.DataFrame([[2, 1, 0.5], [1, 0, 0.25]]).to_csv(tmp_path / "g.csv", index=False)
    edges = read_graph(tmp_path / "g.csv", tuple("abcd")).edges
    assert list(zip(edges.source.tolist(), edges.target.tolist(), strict=True)) == [(1, 0), (2, 1)]


def test_numbers_from_0_are_columns_only_if_ids_cannot_be_meant(tmp_path: Path) -> None:
    path = written(tmp_path, "from,to,weight\n0,1,0.5\n2,3,0.9\n")
    edges, report = imported(tmp_path, path)
    assert edges == {("400001", "400017"): 0.5, ("400030", "400045"): 0.9}
    assert any("numbers of the readings' columns, from 0" in text for text in report.assumed)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("from,to,weight\n1,2,0.5\n3,4,0.9\n", IDS),  # from 1
        ("from,to,weight\n1,2,0.5\n2,3,0.9\n", IDS),  # from 0 or from 1
        ("from,to,weight\n1,2,0.5\n2,3,0.9\n", ("0", "1", "2")),
        ("from,to,weight\n0,1,0.5\n1,2,0.9\n", ("1", "7", "9")),  # 1 is a sensor, too
    ],
)
def test_numbers_that_may_mean_two_nodes_are_refused(
    tmp_path: Path, text: str, ids: tuple[str, ...]
) -> None:
    with pytest.raises(DataError, match=r"no sensors? of the network.*use the same ids in both"):
        imported(tmp_path, written(tmp_path, text), ids)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("from,to,weight\n400001,400017,0.5\n400017,400030,\n", "'weight' in line 3 is empty"),
        ("from,to,weight\n400001,400017,near\n", "'weight' in line 2 is 'near'"),
        ("from;to;weight\n400001;400017;0,5\n", "'weight' in line 2 is '0,5'"),
        ("from,to,cost\n400001,,3\n", "line 2"),
        ("from,to,weight\n400001,400017,0,5\n", "decimal commas"),
        ("from,to,weight\n400001,400017,5\n400001,400030,0,5\n", "line 3"),
        (
            "from,to,weight\n400001,400017,0.5\n400001,400017,0.9\n400017,400001,0.5\n",
            "'400001' to '400017' with 0.5 and 0.9",
        ),
        ("from,to,weight,cost\n400001,400017,0.5,900\n", "--weights distance or"),
        ("from,to,cost,km\n400001,400017,500,0.5\n", "remove all but one"),
        ("from,to,source,target\n400001,400017,400001,400017\n", "ends of edges may be"),
        ("a,b,c,d\n400001,400017,1,2\n400001,400017,1,2\n", "columns from, to and a weight"),
        ("from,to,cost\n400001,400018,1\n400001,7,1\n", "'400018', '7' are no sensors"),
        ("", "is empty"),
    ],
)
def test_a_list_that_is_wrong_is_refused_with_its_place(
    tmp_path: Path, text: str, words: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(DataError) as caught:
        imported(tmp_path, path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_the_flag_chooses_between_two_columns_of_weights(tmp_path: Path) -> None:
    path = written(tmp_path, "from,to,weight,cost\nA,B,0.5,900\nB,C,0.25,300\n")
    assert read_graph(path, tuple("ABC"), "proximity").edges.weight.tolist() == [0.5, 0.25]
    found = read_graph(path, tuple("ABC"), "distance").edges.weight
    np.testing.assert_allclose(found, kernel(900, 300), rtol=1e-5)


def test_equal_repeats_and_loops_are_kept_once_or_dropped_and_told(tmp_path: Path) -> None:
    text = "from,to,weight\nA,B,0.5\nA,B,0.5\nA,A,1\n"
    edges, report = imported(tmp_path, written(tmp_path, text), ("A", "B"))
    assert edges == {("A", "B"): 0.5}
    assert any("1 repeated edge kept once" in text for text in report.known)
    assert any("1 edge from a sensor to itself left out" in text for text in report.known)


@pytest.mark.parametrize(
    "text",
    [
        "from,to,weight\n400001,400017,1200\n400017,400030,2100\n",
        "400001,400017,1200\n400017,400030,2100\n",
        "from,to,similarity\n400001,400017,3\n400017,400030,2\n",
        "from,to,weight\n400001,400017,-0.5\n400017,400030,0.5\n",
        "from,to,weight\n400001,400001,0\n400017,400030,0.5\n",
        "from,to,cost\n400001,400001,1\n400017,400030,0.5\n",
    ],
)
def test_weights_that_may_be_both_are_asked_about(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"reach from .*--weights distance or --weights proximity"):
        imported(tmp_path, written(tmp_path, text))


def test_the_answer_decides_what_weights_are(tmp_path: Path) -> None:
    path = written(tmp_path, "from,to,weight\nA,B,1200\nB,C,2100\n")
    near, far = kernel(1200, 2100)
    edges, _ = imported(tmp_path, path, ("A", "B", "C"), "distance")
    assert edges == {("A", "B"): near, ("B", "C"): far}
    assert read_graph(path, ("A", "B", "C"), "proximity").edges.weight.tolist() == [1200, 2100]
    with pytest.raises(DataError, match="leave --weights out"):
        read_graph(written(tmp_path, "from,to\nA,B\n"), ("A", "B"), "distance")


ROADS = np.array([[0, 1200, 3400, 0], [1200, 0, 2100, 0], [3400, 2100, 0, 900], [0, 0, 900, 0.0]])


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        (np.inf, "infinite"),
        (-1.0, "negative"),
        (99999.0, "99999"),
        (9999.0, "9999"),
        (1e9, "1000000000"),
        (2.0**31 - 1, "2147483647"),
        (float(np.finfo(np.float32).max), "mark"),
    ],
)
def test_a_marker_of_no_path_is_no_edge(tmp_path: Path, marker: float, words: str) -> None:
    matrix = np.where(ROADS == 0, marker, ROADS)
    np.fill_diagonal(matrix, 0)
    np.save(tmp_path / "g.npy", matrix)
    edges, report = imported(tmp_path, tmp_path / "g.npy")
    lengths = kernel(1200, 1200, 2100, 2100, 3400, 3400, 900, 900)
    assert len(edges) == 8
    assert edges["400001", "400017"] == lengths[0]
    assert edges["400030", "400045"] == lengths[-1]
    assert any("4 " in note and words in note and "no edges" in note for note in report.notes)


@pytest.mark.parametrize(
    ("marker", "note"),
    [("inf", "1 infinite distance is no edge"), ("-1", "1 negative distance is no edge")],
)
def test_a_single_marker_is_one(tmp_path: Path, marker: str, note: str) -> None:
    text = f"from,to,cost\n400001,400017,100\n400017,400030,300\n400030,400045,{marker}\n"
    (tmp_path / "g.csv").write_text(text)
    _, report = imported(tmp_path, tmp_path / "g.csv")
    assert any(entry.startswith(note) for entry in report.notes)


def test_markers_in_a_list_are_no_edges(tmp_path: Path) -> None:
    text = "from,to,cost\nA,B,100\nB,C,300\nA,C,99999\nC,A,-1\nC,B,inf\n"
    edges, _ = imported(tmp_path, written(tmp_path, text), ("A", "B", "C"))
    near, far = kernel(100, 300)
    assert edges == {("A", "B"): near, ("B", "C"): far}


def test_a_far_value_that_may_be_a_marker_is_refused(tmp_path: Path) -> None:
    matrix = np.where(ROADS == 0, 50000.0, ROADS)
    np.fill_diagonal(matrix, 0)
    np.save(tmp_path / "g.npy", matrix)
    with pytest.raises(DataError, match="4 distances are 50000 and the longest other is 3400"):
        imported(tmp_path, tmp_path / "g.npy")


def test_a_long_road_is_no_marker(tmp_path: Path) -> None:
    text = "from,to,cost\nA,B,1200.5\nB,C,310\nC,A,20000\n"
    edges, _ = imported(tmp_path, written(tmp_path, text), ("A", "B", "C"))
    assert len(edges) == 3
    assert edges["C", "A"] == kernel(1200.5, 310, 20000)[2]


def test_distances_whose_diagonal_is_not_zero_are_asked_about(tmp_path: Path) -> None:
    np.save(tmp_path / "g.npy", ROADS + np.eye(4) * 0.001)
    with pytest.raises(DataError, match=r"reach from 0\.001 to 3400"):
        imported(tmp_path, tmp_path / "g.npy")


def test_correlations_are_no_distances(tmp_path: Path) -> None:
    np.save(tmp_path / "g.npy", np.array([[0, -0.4], [-0.4, 0]]))
    with pytest.raises(DataError, match="--weights distance or --weights proximity"):
        read_graph(tmp_path / "g.npy", ("A", "B"))
    with pytest.raises(DataError, match=r"of at least 0, but 2 are not, the first -0\.4 of 'A'"):
        read_graph(tmp_path / "g.npy", ("A", "B"), "proximity")


def test_equal_distances_do_not_vanish(tmp_path: Path) -> None:
    """Their spread is not exactly 0 in floating point."""
    path = written(tmp_path, "from,to,cost\nA,B,0.1\nB,C,0.1\nC,A,0.1\n")
    np.testing.assert_allclose(read_graph(path, tuple("ABC")).edges.weight, np.exp(-1), rtol=1e-5)


def test_an_entry_that_is_no_number_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, ",A,B\nA,0,x\nB,0.5,0\n")
    with pytest.raises(DataError, match=r"no sensor|line 2, column 3 holds 'x'"):
        read_graph(path, ("A", "B"))
    np.save(tmp_path / "g.npy", np.array([[0, np.nan], [1, 0]]))
    with pytest.raises(DataError, match=r"1 are not, the first from 'A' to 'B'"):
        read_graph(tmp_path / "g.npy", ("A", "B"))


@pytest.mark.parametrize(
    "text", ["0,1,0\n1,0,1\n0,1,0\n", ",0,1,2\n0,0,1,0.5\n1,1,2,0.5\n2,2,0,0.5\n"]
)
def test_a_small_table_that_may_be_list_or_matrix_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match="may be a matrix or a list of edges"):
        read_graph(written(tmp_path, text), ("a", "b", "c"))


def test_a_pickle_whose_ids_contradict_its_indices_is_refused(tmp_path: Path) -> None:
    (tmp_path / "g.pkl").write_bytes(pickle.dumps([["A", "B"], {"A": 1, "B": 0}, np.eye(2)]))
    with pytest.raises(DataError, match="contradict each other"):
        read_graph(tmp_path / "g.pkl", ("A", "B"))


def test_several_arrays_of_one_archive_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "g.npz", adj=np.eye(2), dist=np.eye(2))
    with pytest.raises(DataError, match=r"must hold one square matrix, but holds 'adj'"):
        read_graph(tmp_path / "g.npz", ("A", "B"))


MARKERS = [np.inf, -1.0, -999.0, 99999.0, 999999.0, 1e9, 2.0**31 - 1]


@given(
    st.lists(st.floats(0.5, 20_000), min_size=12, max_size=12),
    st.lists(st.integers(0, 11), min_size=1, max_size=8, unique=True),
    st.sampled_from(MARKERS),
    st.sampled_from(["list", "matrix"]),
)
def test_marked_pairs_are_as_if_they_were_not_there(
    tmp_path_factory: pytest.TempPathFactory,
    distances: list[float],
    marked: list[int],
    marker: float,
    form: str,
) -> None:
    """The kernel of what is left, computed apart."""
    folder, ids = tmp_path_factory.mktemp("g"), tuple("ABCD")
    pairs = [(a, b) for a in range(4) for b in range(4) if a != b]
    given_weights = [marker if at in marked else d for at, d in enumerate(distances)]
    if form == "list":
        rows = [(ids[a], ids[b], w) for (a, b), w in zip(pairs, given_weights, strict=True)]
        pd.DataFrame(rows, columns=["from", "to", "km"]).to_csv(folder / "g.csv", index=False)
    else:
        matrix = np.zeros((4, 4))
        matrix[tuple(zip(*pairs, strict=True))] = given_weights
        pd.DataFrame(matrix, index=list(ids), columns=list(ids)).to_csv(folder / "g.csv")
    edges = read_graph(folder / "g.csv", ids, "distance").edges
    left = [
        (pair, d)
        for at, (pair, d) in enumerate(zip(pairs, distances, strict=True))
        if at not in marked
    ]
    lengths = np.array([d for _, d in left])
    width = lengths.std() if lengths.std() > 1e-9 * lengths.mean() else lengths.mean()
    assert list(zip(edges.source.tolist(), edges.target.tolist(), strict=True)) == [
        pair for pair, _ in left
    ]
    np.testing.assert_allclose(
        edges.weight, np.exp(-((lengths / width) ** 2)), rtol=1e-4, atol=1e-30
    )


@given(
    st.lists(st.floats(0, 1e6), min_size=2, max_size=6),
    st.sampled_from(["weight", "w", "link_weight", "value", "lanes"]),
)
def test_a_weight_without_a_telling_name_is_a_proximity_or_asked_about(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], name: str
) -> None:
    folder, ids = tmp_path_factory.mktemp("w"), tuple("ABCDEFG")
    rows = [(ids[at], ids[at + 1], value) for at, value in enumerate(values)]
    pd.DataFrame(rows, columns=["from", "to", name]).to_csv(folder / "g.csv", index=False)
    codes = name == "lanes" and all(value == int(value) for value in values)
    if codes and set(values) != {1.0}:
        with pytest.raises(DataError, match=r"'lanes' holds whole numbers.*rename it to weight"):
            read_graph(folder / "g.csv", ids)
    elif max(values) > 1.001:
        with pytest.raises(DataError, match="--weights distance or --weights proximity"):
            read_graph(folder / "g.csv", ids)
    elif max(values) <= 1:
        edges = read_graph(folder / "g.csv", ids).edges
        expected = [value for value in values if value]
        np.testing.assert_allclose(edges.weight, expected, rtol=1e-6, atol=1e-30)


def graphs_only() -> Path:
    folder = shared_data() / "graphs_only"
    if not folder.is_dir():
        pytest.skip("needs the shared data")
    return folder


def test_both_forms_of_pems_bay_have_one_direction() -> None:
    """DCRNN made the matrix from the list: each weight of both is a power of the other."""
    folder = graphs_only()
    places = folder / "pems_bay_graph_sensor_locations.csv"
    ids = tuple(pd.read_csv(places, header=None, dtype=str)[0])
    pairs = {}
    for name in ("pems_bay_adj_mx.pkl", "pems_bay_distances_2017.csv"):
        edges = read_graph(folder / name, ids).edges
        rows = zip(edges.source.tolist(), edges.target.tolist(), edges.weight, strict=True)
        pairs[name] = {(a, b): w for a, b, w in rows}
    matrix, listed = pairs.values()
    assert len(matrix) > 2000
    assert matrix.keys() <= listed.keys()
    assert not {(b, a) for a, b in matrix} <= listed.keys()
    powers = [np.log(matrix[pair]) / np.log(listed[pair]) for pair in matrix if matrix[pair] < 0.99]
    np.testing.assert_allclose(powers, powers[0], rtol=1e-3)


@pytest.mark.parametrize(("name", "count", "edges"), [("PEMS04", 307, 340), ("PEMS07", 883, 866)])
def test_numbered_nodes_of_the_pems_sets(name: str, count: int, edges: int) -> None:
    path = graphs_only() / f"{name}.csv"
    table = pd.read_csv(path)
    graph = read_graph(path, tuple(f"s{index}" for index in range(count)))
    assert len(graph.edges) == edges
    found = set(zip(graph.edges.source.tolist(), graph.edges.target.tolist(), strict=True))
    assert found == set(zip(table["from"], table["to"], strict=True))
    assert any(finding.certainty == "assumed" for finding in graph.findings)


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ('{"type": "FeatureCollection", "features": []}', "g.geojson", "but is JSON"),
        ('{\n"type": "FeatureCollection",\n"features": []}', "g.json", "but is JSON"),
        ("x,y\n", "g.csv", "has only the line 'x, y'"),
        ("# by hand\nfrom,to,distance\nA,B,3\n", "g.csv", "remove the lines that begin with #"),
    ],
)
def test_what_holds_no_edges_is_no_graph(
    tmp_path: Path, text: str, name: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_graph(written(tmp_path, text, name), ("A", "B"))


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_refused_with_its_remedy(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "g.csv").write_text("from,to,wäg\nA,B,3\n", encoding=encoding)
    with pytest.raises(DataError, match="save it as UTF-8"):
        read_graph(tmp_path / "g.csv", ("A", "B"))


@pytest.mark.parametrize("name", ["1/distance", "1 / length", "inverse_distance", "distance^-1"])
def test_inverse_distances_are_proximities(tmp_path: Path, name: str) -> None:
    rows = "400001,400017,0.2\n400017,400030,0.4\n400030,400045,0.9\n"
    (tmp_path / "g.csv").write_text(f"from,to,{name}\n{rows}")
    edges, _ = imported(tmp_path, tmp_path / "g.csv")
    assert edges["400001", "400017"] == pytest.approx(0.2)
    assert edges["400030", "400045"] == pytest.approx(0.9)


def test_distances_of_several_units_are_refused(tmp_path: Path) -> None:
    rows = "400001,400017,1500,m\n400017,400030,2.5,km\n"
    (tmp_path / "g.csv").write_text(f"from,to,distance,unit\n{rows}")
    with pytest.raises(DataError, match="must have one unit, but 'unit' holds 'm', 'km'"):
        imported(tmp_path, tmp_path / "g.csv")


@pytest.mark.parametrize("name", ["oneway", "one_way", "directed", "is_bidirectional"])
def test_a_column_of_directions_is_said_not_to_be_read(tmp_path: Path, name: str) -> None:
    rows = "400001,400017,0.2,0\n400017,400030,0.4,0\n"
    (tmp_path / "g.csv").write_text(f"from,to,weight,{name}\n{rows}")
    edges, report = imported(tmp_path, tmp_path / "g.csv")
    assert ("400017", "400001") not in edges
    assert any(f"'{name}' is not read: each line is an edge" in note for note in report.notes)


def test_distances_that_are_all_alike_leave_nearly_no_graph_which_is_said(tmp_path: Path) -> None:
    text = "from,to,distance\nA,B,1500\nB,C,1510\nC,A,1490\n"
    edges, report = imported(tmp_path, written(tmp_path, text), tuple("ABC"))
    assert max(weight.expected for weight in edges.values()) < 1e-6
    assert any("the graph is nearly empty" in text for text in report.assumed)


def test_distances_of_different_lengths_are_a_graph(tmp_path: Path) -> None:
    text = "from,to,distance\nA,B,100\nB,C,1510\nC,A,900\n"
    _, report = imported(tmp_path, written(tmp_path, text), tuple("ABC"))
    assert any(text.startswith("the kernel is") for text in report.known)
    assert not any("nearly empty" in text for text in report.notes)


@pytest.mark.parametrize(("largest", "said"), [("1", False), ("1.2", True), ("1500", True)])
def test_proximities_beyond_one_are_said(tmp_path: Path, largest: str, said: bool) -> None:
    path = written(tmp_path, f"from,to,weight\nA,B,0.5\nB,C,{largest}\n")
    _, report = imported(tmp_path, path, tuple("ABC"), "proximity")
    words = f"weights reach {largest} and were taken as proximities, though these lie in 0…1"
    assert any(text.startswith(words) for text in report.assumed) == said
