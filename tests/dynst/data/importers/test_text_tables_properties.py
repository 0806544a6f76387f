"""Members of each kind of text table, made by chance.

The referee is pandas, which knows how each is written.
"""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dynst.data.importers.formats.tables import open_rows, open_table
from dynst.data.importers.import_store import import_store
from dynst.data.importers.source import ReadOptions
from dynst.data.importers.tabular.marks import USUAL_MARKS
from dynst.data.store import open_store
from dynst.errors import DataError

QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TIMES = pd.date_range("2024-03-01", periods=400, freq="h")
NAMES = st.lists(
    st.text(st.characters(categories=["L"], max_codepoint=0x17F), min_size=1, max_size=8).map(
        lambda name: f"xq{name}"  # so that no name is that of a role, such as time or site
    ),
    min_size=2,
    max_size=5,
    unique=True,
)
NUMBERS = st.floats(-1e6, 1e6, width=32) | st.integers(-5000, 5000).map(float)


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    names = draw(NAMES)
    steps = draw(st.integers(2, 12))
    cells = draw(
        st.lists(
            st.lists(NUMBERS | st.just(np.nan), min_size=len(names), max_size=len(names)),
            min_size=steps,
            max_size=steps,
        )
    )
    return pd.DataFrame(cells, pd.Index(TIMES[:steps], name="time"), names, dtype=float)


def stored(path: Path, **more: object) -> tuple[tuple[str, ...], np.ndarray]:
    target = path.parent / "store"
    import_store(path, target, **more)  # type: ignore[arg-type]
    store = open_store(target)
    values = np.where(store.readings.observed[:], store.readings.values[:], np.nan)
    return tuple(store.sensors.ids), values[..., 0]


@QUICK
@given(
    frame=frames(),
    separator=st.sampled_from([",", ";", "\t"]),
    decimal=st.sampled_from([".", ","]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    mark=st.sampled_from(USUAL_MARKS),
    end=st.sampled_from(["\n", "\r\n"]),
    above=st.sampled_from(["", "\n", "# a comment, with; signs\n"]),
)
def test_any_dialect_gives_what_pandas_reads_or_a_question(
    tmp_path_factory: pytest.TempPathFactory,
    frame: pd.DataFrame,
    separator: str,
    decimal: str,
    encoding: str,
    mark: str,
    end: str,
    above: str,
) -> None:
    assume(frame.notna().any(axis=None))
    file = tmp_path_factory.mktemp("dialect") / "a.csv"
    text = above + frame.to_csv(sep=separator, decimal=decimal, na_rep=mark, lineterminator="\n")
    file.write_bytes(text.replace("\n", end).encode(encoding))
    asked = ""
    try:
        ids, values = stored(file)
    except DataError as error:
        asked = str(error)
    if asked:
        assert "--decimal" in asked, "two readings, or one sign among whole numbers"
        ids, values = stored(file, options=ReadOptions(decimal=decimal))  # type: ignore[arg-type]
    referee = pd.read_csv(
        io.StringIO(text.removeprefix(above)),
        sep=separator,
        decimal=decimal,
        index_col=0,
        na_values=list(USUAL_MARKS),
    )
    assert ids == tuple(referee.columns)
    np.testing.assert_array_equal(values, referee.to_numpy(float).astype(np.float32))


@QUICK
@given(
    mark=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=',"#'))
    .map(str.strip)
    .filter(lambda text: 0 < len(text) < 8 and text not in USUAL_MARKS),
    row=st.integers(0, 399),
    column=st.integers(0, 1),
)
def test_a_mark_anywhere_is_named_and_then_missing(
    tmp_path_factory: pytest.TempPathFactory, mark: str, row: int, column: int
) -> None:
    assume(pd.to_numeric(pd.Series([mark]), errors="coerce").isna().all())
    assume("inf" not in mark.lower())
    file = tmp_path_factory.mktemp("marks") / "a.csv"
    cells = np.arange(800).reshape(400, 2).astype(str).astype(object)
    cells[row, column] = mark
    pd.DataFrame(cells, pd.Index(TIMES, name="time"), ["A", "B"]).to_csv(file)
    with pytest.raises(DataError) as caught:
        stored(file)
    assert f"'{'AB'[column]}' holds '{mark}' in row {row + 1} below" in str(caught.value)
    _, values = stored(file, missing=(mark,))
    assert np.argwhere(np.isnan(values)).tolist() == [[row, column]]


@QUICK
@given(
    rows=st.integers(2, 4).flatmap(
        lambda width: st.lists(
            st.lists(st.integers(0, 60), min_size=width, max_size=width), min_size=3, max_size=30
        )
    ),
    decimals=st.booleans(),
)
def test_no_first_reading_is_lost_in_silence(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[int]], decimals: bool
) -> None:
    """Rows without a header: a question, or it is said what the first line was taken for."""
    file = tmp_path_factory.mktemp("rows") / "a.csv"
    values = np.array(rows) / (4 if decimals else 1)
    np.savetxt(file, values, delimiter=",", fmt="%.2f" if decimals else "%d")
    said = ""
    try:
        (finding,) = open_table(file, ReadOptions()).findings
        assert finding.certainty == "assumed"
        said = finding.text
    except DataError as error:
        said = str(error)
    assert "first line" in said
    table = open_rows(file, ReadOptions())
    batches = [batch.to_pandas().to_numpy() for batch in table.batches(set())]
    taken = np.concatenate(batches)
    if table.columns == tuple(map(str, range(values.shape[1]))) and len(taken) == len(values):
        np.testing.assert_array_equal(taken, values)
    else:
        np.testing.assert_array_equal(taken, values[1:])
        assert any("first line" in said.text for said in table.findings)


@QUICK
@given(
    ids=st.lists(st.integers(100_000, 999_999), min_size=2, max_size=8, unique=True),
    seed=st.integers(0, 99),
)
def test_ids_of_another_magnitude_stay_a_header(
    tmp_path_factory: pytest.TempPathFactory, ids: list[int], seed: int
) -> None:
    file = tmp_path_factory.mktemp("ids") / "a.csv"
    values = np.random.default_rng(seed).uniform(0, 70, (20, len(ids))).round(2)
    pd.DataFrame(values, columns=ids).to_csv(file, index=False)
    found, taken = stored(file)
    assert found == tuple(map(str, ids))
    np.testing.assert_array_equal(taken, values.astype(np.float32))
