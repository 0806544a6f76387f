"""Names of sensors as other files write them."""

import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynst.data.edges import Edges
from dynst.data.importers.graphs.graph_files import read_graph
from dynst.data.importers.names import SensorNames, likely_name
from dynst.data.importers.places.positions import read_positions
from dynst.data.importers.small_tables import words
from dynst.data.sensor_table import Sensors
from dynst.errors import DataError


@pytest.mark.parametrize(
    ("ids", "names", "index"),
    [
        (("a", "b"), ["b", "a", "b", "c"], [1, 0, 1, -1]),
        (("400001", "7"), ["400001.0", "7.", "4.00001e5"], [0, 1, 0]),
        (("400001.0",), ["400001"], [0]),
        (("Zürich",), [unicodedata.normalize("NFD", " Zürich ")], [0]),
        (("two words",), ["two  words"], [0]),
        (("007", "42"), ["7", "042"], [0, 1]),
        (("007", "07"), ["7"], [-1]),  # both could be meant
        (("007",), ["7", "07"], [-1, -1]),  # one of both is meant
        (("007",), ["007", "7"], [0, -1]),
        (("A", "A "), ["A", "A ", " A"], [0, 1, -1]),
        (("1.5",), ["1.50", "1"], [-1, -1]),
        (("1e5",), ["100000"], [-1]),  # an id that looks like a number is none
        (("A1",), ["a1"], [-1]),
    ],
)
def test_names_are_found_only_where_one_sensor_can_be_meant(
    ids: tuple[str, ...], names: list[str], index: list[int]
) -> None:
    assert SensorNames(ids).find(names, "f.csv").index.tolist() == index


def test_what_was_made_alike_is_said() -> None:
    found = SensorNames(("400001", "007", "x")).find(["400001.0", "7", "x"], "f.csv")
    assert [finding.certainty for finding in found.findings] == ["known", "assumed"]
    assert "'400001.0' is '400001'" in found.findings[0].text
    assert "'7' is '007'" in found.findings[1].text
    assert not SensorNames(("x",)).find(["x"], "f.csv").findings


IDS = st.lists(st.text("0123456789abÄ. -", min_size=1, max_size=6), min_size=1, unique=True)


@given(IDS)
def test_an_exact_name_is_always_found(ids: list[str]) -> None:
    assert SensorNames(ids).find(ids, "f.csv").index.tolist() == list(range(len(ids)))


@given(IDS, st.text("0123456789abÄ. -", max_size=6))
def test_another_name_is_a_sensor_only_if_no_other_is_as_near(ids: list[str], name: str) -> None:
    """Compared with all ids one by one, without keys."""

    def same(left: str, right: str) -> bool:
        left, right = (
            " ".join(unicodedata.normalize("NFC", text).split()) for text in (left, right)
        )
        try:
            numbers = float(left), float(right)
        except ValueError:
            return left == right
        return left == right or (numbers[0] == numbers[1] and numbers[0].is_integer())

    place = int(SensorNames(ids).find([name], "f.csv").index[0])
    if place >= 0 and ids[place] != name:
        assert same(ids[place], name)
        assert not any(other == name for other in ids)


@given(
    st.lists(st.integers(0, 10**6), min_size=2, max_size=8, unique=True),
    st.sampled_from(["{}", "{}.0", " {}", "0{}"]),
    st.permutations(range(8)),
    st.booleans(),
)
def test_a_matrix_in_any_order_and_spelling_gives_its_edges(
    tmp_path_factory: pytest.TempPathFactory,
    numbers: list[int],
    spelling: str,
    order: list[int],
    beside: bool,
) -> None:
    """The referee puts pandas' frame into the order of the ids."""
    numbers = [number + 10 for number in numbers]
    ids = tuple(map(str, numbers))
    size = len(ids)
    matrix = np.random.default_rng(size).uniform(0.01, 1, (size, size))
    rows = [place for place in order if place < size]
    columns = rows[::-1] if beside else rows
    frame = pd.DataFrame(
        matrix[np.ix_(rows, columns)],
        index=[spelling.format(ids[place]) for place in rows],
        columns=[spelling.format(ids[place]) for place in columns],
    )
    path = tmp_path_factory.mktemp("m") / "m.csv"
    frame.to_csv(path, index=beside)
    edges = read_graph(path, ids, "proximity").edges
    found = np.zeros((size, size))
    found[edges.source, edges.target] = edges.weight
    np.fill_diagonal(matrix, 0)
    np.testing.assert_allclose(found, matrix, rtol=1e-6)


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda pair: pair[0] != pair[1]),
        min_size=1,
        unique=True,
    ),
    st.permutations(["from", "to", "cost", "lane_name"]),
    st.sampled_from([",", ";", "\t"]),
    st.booleans(),
)
def test_a_list_with_columns_in_any_order_gives_its_edges(
    tmp_path_factory: pytest.TempPathFactory,
    pairs: list[tuple[int, int]],
    columns: list[str],
    separator: str,
    numbered: bool,
) -> None:
    ids = tuple("ABCDEF")
    lengths = [100.0 + 7 * row for row in range(len(pairs))]
    frame = pd.DataFrame(
        {
            "from": [ids[a] for a, _ in pairs],
            "to": [ids[b] for _, b in pairs],
            "cost": lengths,
            "lane_name": "x",
        }
    )[columns]
    path = tmp_path_factory.mktemp("e") / "e.csv"
    frame.to_csv(path, sep=separator, index=numbered)
    edges = read_graph(path, ids).edges
    width = np.std(lengths) or np.mean(lengths)
    expected = {
        pair: float(np.exp(-((length / width) ** 2)))
        for pair, length in zip(pairs, lengths, strict=True)
    }
    rows = zip(edges.source.tolist(), edges.target.tolist(), edges.weight.tolist(), strict=True)
    found = {(a, b): weight for a, b, weight in rows}
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-30)


def test_words_of_a_column() -> None:
    assert words("Lon (deg)") == ("lon", "deg")
    assert words("originId") == ("origin", "id")
    assert words("node_1") == ("node", "1")


def test_a_repeated_id_is_named_in_one_pass() -> None:
    ids = tuple(str(index) for index in range(100_000))
    with pytest.raises(DataError, match="'5' stands there more than once"):
        Sensors((*ids, "5"))


def test_a_wrong_weight_is_named() -> None:
    edges = Edges(np.array([0, 1]), np.array([1, 2]), np.array([1, np.nan], np.float32))
    with pytest.raises(DataError, match="1 are not, the first nan from sensor 1 to 2"):
        edges.check(3)


def test_a_large_network_is_looked_up_by_hash(tmp_path: Path) -> None:
    """Comparing 100,000 names with each other would not end within the time of a test run."""
    ids = tuple(f"s{index}" for index in range(100_000))
    frame = pd.DataFrame({"from": ids, "to": ids[1:] + ids[:1], "weight": 0.5})
    frame.to_csv(tmp_path / "g.csv", index=False)
    edges = read_graph(tmp_path / "g.csv", ids).edges
    assert np.array_equal(edges.target, (edges.source + 1) % len(ids))


def outcome(path: Path, ids: tuple[str, ...]) -> tuple[Edges | None, str]:
    """Edges, or the refusal."""
    try:
        return read_graph(path, ids).edges, ""
    except DataError as error:
        return None, str(error)


@given(
    st.integers(2, 5),
    st.sampled_from(["letters", "numbers from 0", "numbers"]),
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from(["0.5", "0.25", "1", "0"])),
        min_size=1,
        max_size=6,
        unique_by=lambda row: row[:2],
    ),
    st.booleans(),
)
def test_a_list_without_a_header_is_read_as_it_is_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    size: int,
    kind: str,
    rows: list[tuple[int, int, str]],
    weighted: bool,
) -> None:
    ids = {
        "letters": tuple("ABCDE"),
        "numbers from 0": tuple("01234"),
        "numbers": tuple(str(400 + 3 * n) for n in range(5)),
    }[kind][:size]
    rows = [row for row in rows if max(row[:2]) < size]
    lines = [",".join([ids[a], ids[b], w][: 2 + weighted]) for a, b, w in rows]
    path = tmp_path_factory.mktemp("h") / "h.csv"
    path.write_text("\n".join(lines))
    edges, refusal = outcome(path, ids)
    if edges is None:
        assert not rows or "may be a matrix" in refusal or "say --weights" in refusal
        return
    expected = {
        (a, b): float(w) if weighted else 1.0
        for a, b, w in rows
        if a != b and (float(w) or not weighted)
    }
    triples = zip(edges.source.tolist(), edges.target.tolist(), edges.weight.tolist(), strict=True)
    assert {(a, b): weight for a, b, weight in triples} == expected


PLACES = ("Alder Weir", "Canal Lock", "East Gate", "7")


@pytest.mark.parametrize(
    ("name", "likely"),
    [
        ("Canal Lok", "Canal Lock"),
        ("canal lock", "Canal Lock"),
        ("North", ""),
        ("8", ""),
        ("Alder", "Alder Weir"),
    ],
)
def test_a_misspelt_name_is_likely_the_nearest(name: str, likely: str) -> None:
    assert likely_name(name, PLACES) == likely


def test_a_misspelt_node_or_place_is_named_with_its_line_and_the_likely_sensor(
    tmp_path: Path,
) -> None:
    edges = tmp_path / "g.csv"
    edges.write_text("from,to,distance\nAlder Weir,East Gate,5\nEast Gate,Canal Lok,9\n")
    with pytest.raises(DataError, match=r"node 'Canal Lok' in line 3 .*did you mean 'Canal Lock'"):
        read_graph(edges, PLACES[:3])
    edges.write_text("from,to,distance\nAlder Weir,North,5\nEast Gat,Canal Lok,9\n")
    with pytest.raises(DataError, match=r"'East Gat' stands in line 3.*mean 'East Gate'"):
        read_graph(edges, PLACES[:3])
    matrix = tmp_path / "m.csv"
    matrix.write_text(
        ",Alder Weir,Canal Lok,East Gate\nAlder Weir,0,1,0\nCanal Lok,1,0,1\nEast Gate,0,1,0\n"
    )
    with pytest.raises(DataError, match="did you mean 'Canal Lock' by 'Canal Lok'"):
        read_graph(matrix, PLACES[:3])
    places = tmp_path / "p.csv"
    places.write_text("id,lon,lat\nAlder Weir,9,48\nCanal Lok,9.1,48\nEast Gate,9.2,48\n")
    with pytest.raises(DataError, match="rename 'Canal Lok' in line 3 if it is 'Canal Lock'"):
        read_positions(places, PLACES[:3])
    places.write_text("id,lon,lat\nAlder Weir,9,48\nNorth,9.1,48\nEast Gate,9.2,48\n")
    with pytest.raises(DataError, match=r"'id' has 'North' instead\); add it"):
        read_positions(places, PLACES[:3])
