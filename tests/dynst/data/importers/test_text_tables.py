"""How a delimited file becomes named columns of cells; each test writes its own small file."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dynst.data.importers.formats.tables import open_table
from dynst.data.importers.import_store import ImportReport, import_store
from dynst.data.importers.source import ReadOptions
from dynst.data.store import open_store
from dynst.errors import DataError

STEPS, LATE = 500, 400
TIMES = pd.date_range("2024-03-01", periods=STEPS, freq="h")
A = np.arange(STEPS) * 0.5 + 20
B = A + 1


def wide(
    cell: Callable[[int, float], str] = lambda row, value: str(value),
    *,
    separator: str = ",",
    header: str = "time,A,B",
    steps: int = STEPS,
) -> str:
    """A table of two sensors; ``cell`` writes those of B."""
    lines = [separator.join([str(TIMES[n]), str(A[n]), cell(n, B[n])]) for n in range(steps)]
    return "\n".join([header.replace(",", separator), *lines]) + "\n"


def take(
    folder: Path,
    text: str | bytes,
    *,
    file: str = "counts.csv",
    kind: str | None = None,
    missing: tuple[float | str, ...] = (),
    **options: object,
) -> tuple[tuple[str, ...], np.ndarray, ImportReport]:
    """Ids, readings with NaN for missing, and the report."""
    content = text.encode() if isinstance(text, str) else text
    (folder / file).write_bytes(gzip.compress(content) if file.endswith(".gz") else content)
    report = import_store(
        folder / file,
        folder / "store",
        kind=kind,
        missing=missing,
        options=ReadOptions(**options),  # type: ignore[arg-type]
    )
    store = open_store(folder / "store")
    readings = store.readings
    values = np.where(readings.observed[:], readings.values[:], np.nan)[..., 0]
    return tuple(store.sensors.ids), values, report


def refused(folder: Path, text: str | bytes, **more: object) -> str:
    with pytest.raises(DataError) as caught:
        take(folder, text, **more)  # type: ignore[arg-type]
    message = str(caught.value)
    assert not (folder / "store").exists()
    assert str(folder) in message
    for word in ("CSV column", "codec", "tokenizing", "could not convert"):
        assert word not in message, "a library's words"
    return message


def assert_same(
    found: tuple[tuple[str, ...], np.ndarray, ImportReport], steps: int = STEPS
) -> None:
    ids, values, _ = found
    assert ids == ("A", "B")
    np.testing.assert_array_equal(values, np.stack([A, B], 1)[:steps].astype(np.float32))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (wide().encode("utf-8-sig"), ""),
        (wide(separator=";").encode(), "separated by semicolons"),
        (wide(separator="\t").encode(), "separated by tabs"),
        (wide(separator=";").encode("utf-16"), "UTF-16, by its byte order mark"),
        (("\n \n" + wide()).encode(), "blank lines above the header are skipped (2)"),
        (("# export\n# unit: veh/h\n" + wide()).encode(), "(2, the last '# unit: veh/h')"),
        (wide(header="# time,A,B").encode(), "the header is the last comment line"),
        (wide().replace("\n", "\r\n").encode(), ""),
        (wide().replace("\n", "\r").encode(), ""),
        (wide().replace(",", " ,  ").encode(), ""),
        (wide(lambda row, value: f'"{value}"').encode(), ""),
        (wide(lambda row, value: f"+{value}").encode(), ""),
    ],
)
def test_what_a_file_tells_of_itself_is_read(tmp_path: Path, content: bytes, said: str) -> None:
    found = take(tmp_path, content)
    assert_same(found)
    assert any(said in text for text in found[2].known)


@pytest.mark.parametrize("file", ["counts.csv", "counts.csv.gz"])
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le"])
def test_an_encoding_is_asked_for_and_then_used(tmp_path: Path, encoding: str, file: str) -> None:
    text = wide(header="Zeit,Düsseldorf,Köln", separator=";")
    message = refused(tmp_path, text.encode(encoding), file=file)
    assert "--encoding" in message
    assert "line 1" in message
    ids, values, report = take(tmp_path, text.encode(encoding), file=file, encoding=encoding)
    assert ids == ("Düsseldorf", "Köln")
    np.testing.assert_array_equal(values[:, 0], A.astype(np.float32))
    assert f"text is {encoding}" in report.known


def test_a_late_byte_of_another_encoding_is_named_by_its_line(tmp_path: Path) -> None:
    text = wide(lambda row, value: "gestört" if row == LATE else str(value))
    message = refused(tmp_path, text.encode("latin-1"))
    assert f"line {LATE + 2} is not; say --encoding latin-1 if it means" in message


def test_an_encoding_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    message = refused(tmp_path, wide().encode("utf-8-sig"), encoding="latin-1")
    assert "byte order mark of UTF-8" in message
    assert "--encoding must name an encoding" in refused(tmp_path, wide(), encoding="klingon")


def test_a_comma_at_the_end_of_lines_is_no_sensor(tmp_path: Path) -> None:
    found = take(tmp_path, wide().replace("\n", ",\n"))
    assert_same(found)
    assert any("column 4 has neither a name nor cells" in text for text in found[2].known)


def test_a_comma_at_the_end_of_rows_alone_is_no_cell(tmp_path: Path) -> None:
    header, rows = wide().split("\n", 1)
    assert_same(take(tmp_path, header + "\n" + rows.replace("\n", ",\n")))


def test_a_late_cell_of_a_column_without_name_is_refused(tmp_path: Path) -> None:
    lines = wide().replace("\n", ",\n").splitlines()
    lines[LATE] += "7"
    message = refused(tmp_path, "\n".join(lines))
    assert f"column 4 has no name, but holds '7' in row {LATE} below the header" in message


def test_names_are_unique_and_told_by_place(tmp_path: Path) -> None:
    assert "'A' stands there more than once (columns 2 and 3)" in refused(
        tmp_path, wide(header="time,A,A")
    )
    assert "columns 1 and 3 have none" in refused(tmp_path, wide(header=",A,"))


USUAL = ["", "NaN", "nan", "NA", "N/A", "n/a", "#N/A", "NULL", "null", "None", "-", "--", "."]


@pytest.mark.parametrize(
    "mark", [*USUAL, "missing", "unavailable", "unknown", "NaT", "?", " NA", "  ", "<NA>"]
)
@pytest.mark.parametrize("row", [3, LATE])
def test_usual_marks_are_missing_without_asking(tmp_path: Path, mark: str, row: int) -> None:
    text = wide(lambda place, value: mark if place == row else str(value))
    _, values, _ = take(tmp_path, text)
    expected = np.stack([A, B], 1).astype(np.float32)
    expected[row, 1] = np.nan
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("cell", ["290%", "290*", "0.25K", "5 °C", "12 m/s"])
@pytest.mark.parametrize("row", [3, LATE])
def test_a_number_with_a_sign_or_unit_is_not_advised_to_be_missing(
    tmp_path: Path, cell: str, row: int
) -> None:
    text = wide(lambda place, value: cell if place == row else str(value))
    message = refused(tmp_path, text)
    assert "without its sign or unit" in message
    assert "--missing" not in message


@pytest.mark.parametrize("mark", ["M", "T", "Ice", "Eqp", "<5", "1 234", "1_000", "0x1A"])
@pytest.mark.parametrize("row", [3, LATE])
def test_other_marks_are_asked_about_in_the_same_words(tmp_path: Path, mark: str, row: int) -> None:
    text = wide(lambda place, value: mark if place == row else str(value))
    message = refused(tmp_path, text)
    assert f"column 'B' holds '{mark}' in row {row + 1} below the header; say" in message
    assert f"--missing '{mark}'" in message
    _, values, _ = take(tmp_path, text, missing=(mark,))
    assert np.flatnonzero(np.isnan(values[:, 1])).tolist() == [row]


def test_all_marks_are_named_at_once(tmp_path: Path) -> None:
    marks = {3: "M", 5: "T", 9: "M"}
    message = refused(tmp_path, wide(lambda row, value: marks.get(row, str(value))))
    assert "(and there are 'T'); say --missing 'M' --missing 'T'" in message


def test_a_mark_of_the_user_may_name_a_sensor(tmp_path: Path) -> None:
    """The sensor M stays, though M means missing among readings."""
    lines = ["time,sensor,value"]
    for step in range(10):
        lines += [f"{TIMES[step]},M,{step}", f"{TIMES[step]},T,{'M' if step == 4 else 1}"]
    ids, values, _ = take(tmp_path, "\n".join(lines), missing=("M",))
    assert ids == ("M", "T")
    assert np.isnan(values[4, 1])
    assert np.isfinite(values[:, 0]).all()


def test_states_of_a_smart_home(tmp_path: Path) -> None:
    lines = ["entity_id,state,last_changed"]
    for step in range(20):
        state = ["unavailable", "unknown", str(step)][min(2, step % 5)]
        lines += [f"sensor.attic,{state},{TIMES[step]}", f"sensor.kitchen,21,{TIMES[step]}"]
    ids, values, _ = take(tmp_path, "\n".join(lines))
    assert ids == ("sensor.attic", "sensor.kitchen")
    assert np.flatnonzero(np.isnan(values[:, 0])).tolist() == [0, 1, 5, 6, 10, 11, 15, 16]


def test_an_infinite_reading_is_refused(tmp_path: Path) -> None:
    assert "sensor 'B' has an infinite value" in refused(
        tmp_path, wide(lambda row, value: "Infinity" if row == LATE else str(value))
    )


def comma(row: int, value: float) -> str:
    return str(value).replace(".", ",")


def test_a_decimal_comma_is_known_from_the_cells(tmp_path: Path) -> None:
    text = wide(comma, separator=";").replace(".0", ",0").replace(".5", ",5")
    found = take(tmp_path, text)
    assert_same(found)
    assert any("decimal comma, such as '20,0'" in text for text in found[2].known)


def test_two_decimal_signs_are_refused(tmp_path: Path) -> None:
    message = refused(tmp_path, wide(comma, separator=";"))
    assert "'21,0' (row 1 below the header, column 'B')" in message
    assert "'20.0' (row 1 below the header, column 'A')" in message
    assert "--decimal" in message


@pytest.mark.parametrize("first", [0, LATE])
@pytest.mark.parametrize(("decimal", "factor"), [(",", 1e-3), (".", 1)])
def test_a_comma_may_group_thousands(
    tmp_path: Path, first: int, decimal: str, factor: float
) -> None:
    """Whole numbers below 1000, then such as 1,004: a decimal comma, or thousands."""
    lines = ["time,A"]
    for row in range(STEPS):
        lines.append(f'{TIMES[row]},"1,{row:03d}"' if row >= first else f"{TIMES[row]},{row}")
    message = refused(tmp_path, "\n".join(lines))
    assert f"'1,{first:03d}'" in message
    assert f"row {first + 1} below the header" in message
    assert "--decimal , " in message
    assert "--decimal . " in message
    _, values, _ = take(tmp_path, "\n".join(lines), decimal=decimal)
    expected = [(1000 + row) * factor if row >= first else row for row in range(STEPS)]
    np.testing.assert_array_equal(values[:, 0], np.array(expected, np.float32))


@pytest.mark.parametrize("first", [5, LATE])
@pytest.mark.parametrize(("decimal", "factor"), [(".", 1e-3), (",", 1)])
def test_a_point_between_semicolons_may_group_thousands(
    tmp_path: Path, first: int, decimal: str, factor: float
) -> None:
    lines = ["time;A"]
    for row in range(STEPS):
        lines.append(f"{TIMES[row]};1.{row:03d}" if row >= first else f"{TIMES[row]};{row}")
    message = refused(tmp_path, "\n".join(lines))
    assert f"'1.{first:03d}' (row {first + 1} below the header, column 'A')" in message
    _, values, _ = take(tmp_path, "\n".join(lines), decimal=decimal)
    expected = [(1000 + row) * factor if row >= first else row for row in range(STEPS)]
    np.testing.assert_array_equal(values[:, 0], np.array(expected, np.float32))


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("late", [0, 400])
@pytest.mark.parametrize(("decimal", "factor"), [(".", 1), (",", 1e3)])
def test_points_that_may_all_group_thousands_are_asked_about(
    tmp_path: Path, separator: str, late: int, decimal: str, factor: float
) -> None:
    """Whole numbers, then such as 1.000, or nothing but these from the first row on."""
    whole = [(str(row % 800 + 100), "7") for row in range(late)]
    pointed = [(f"{row % 9 + 1}.000", f"12.{row + 100}") for row in range(50)]
    times = pd.date_range("2024-03-01", periods=late + 50, freq="h")
    rows = [
        f"{time}{separator}{a}{separator}{b}"
        for time, (a, b) in zip(times, [*whole, *pointed], strict=True)
    ]
    text = "\n".join([f"time{separator}A{separator}B", *rows])
    message = refused(tmp_path, text)
    assert "--decimal . " in message
    assert "--decimal , " in message
    _, values, _ = take(tmp_path, text, decimal=decimal)
    assert values[late + 2].tolist() == pytest.approx([3.0 * factor, 12.102 * factor])


@pytest.mark.parametrize("cell", ["0.125", "1234.5", "1.5", "1234.125"])
def test_one_cell_of_the_first_part_shows_that_a_point_is_decimal(
    tmp_path: Path, cell: str
) -> None:
    times = pd.date_range("2024-03-01", periods=400, freq="h")
    rows = [f"{time};{row % 9 + 1}.250;2.125" for row, time in enumerate(times)]
    rows[350] = f"{times[350]};{cell};2.125"
    _, values, _ = take(tmp_path, "\n".join(["time;A;B", *rows]))
    assert values[1].tolist() == [2.25, 2.125]
    assert values[350, 0] == np.float32(cell)


def test_thousands_that_can_be_nothing_else_are_known(tmp_path: Path) -> None:
    found = take(tmp_path, wide(lambda row, value: f'"{1000 + value:,}"'))
    np.testing.assert_array_equal(found[1][:, 1], (1000 + B).astype(np.float32))
    assert any("thousands are grouped" in text for text in found[2].known)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("My export\n\n" + wide(), 3),
        ("Station:,Foo,\nRiver:,Bar,\n\n" + wide(), 4),
        ("Source,Id,City,State\nNSRDB,1,x,y\n" + wide(), 3),
        ("Title:,,\nUser:,,\n,,\n" + wide(), 4),
    ],
)
def test_a_table_that_begins_further_down_is_refused_by_its_line(
    tmp_path: Path, text: str, line: int
) -> None:
    message = refused(tmp_path, text)
    assert f"seems to begin in line {line} ('time', 'A', 'B')" in message


def test_a_header_in_a_comment_stands_above_rows(tmp_path: Path) -> None:
    text = "# Coding: utf-8\n# Title: x; y\n#\n" + wide(header="# time,A,B", separator=";")
    found = take(tmp_path, text)
    assert_same(found)


def test_formats_of_usgs_are_no_row(tmp_path: Path) -> None:
    lines = wide(separator="\t").splitlines()
    lines.insert(1, "20d\t14n\t14n")
    assert_same(take(tmp_path, "# USGS\n" + "\n".join(lines), file="level.tsv"))
    lines[4] = lines[4].rsplit("\t", 1)[0] + "\tIce"
    folder = tmp_path / "ice"
    folder.mkdir()
    assert "holds 'Ice' in row 4 below the header" in refused(
        folder, "\n".join(lines), file="level.tsv"
    )


def test_a_line_of_units_is_refused(tmp_path: Path) -> None:
    lines = wide().splitlines()
    lines.insert(1, ",degC,degC")
    message = refused(tmp_path, "\n".join(lines))
    assert "row 1 ('', 'degC', 'degC')" in message
    assert "--unit 'degC'" in message


@pytest.mark.parametrize("steps", [24, STEPS])
@pytest.mark.parametrize("word", ["Total", "Sum:", "Mittel"])
def test_a_row_of_totals_is_refused(tmp_path: Path, steps: int, word: str) -> None:
    message = refused(tmp_path, wide(steps=steps) + f"{word},999,999\n")
    assert f"'time' holds '{word}' in row {steps + 1} below the header" in message


@pytest.mark.parametrize(
    ("row", "cells"),
    [(3, "2024-03-01 02:00:00,1"), (LATE, "1,2,3,4"), (LATE, "# end of data"), (STEPS, "bye")],
)
def test_a_row_of_another_width_is_named(tmp_path: Path, row: int, cells: str) -> None:
    lines = wide().splitlines()
    lines[row] = cells
    message = refused(tmp_path, "\n".join(lines))
    assert f"must have 3 cells like the header, but row {row} below the header has" in message
    assert f"'{cells.split(',')[0]}'" in message


def test_row_names_without_a_name_are_refused(tmp_path: Path) -> None:
    header, *rows = wide().splitlines()
    lines = [header, *(f"{place},{row}" for place, row in enumerate(rows))]
    assert "has 3 ('time', 'A', 'B') where the rows have 4" in refused(tmp_path, "\n".join(lines))


def matrix(*first: str, low: int = 10, high: int = 99, decimals: bool = False) -> str:
    rng = np.random.default_rng(0)
    rows = rng.integers(low, high, (60, len(first)))
    cells = [[f"{n}.{n % 9 + 1}" if decimals else str(n) for n in row] for row in rows]
    return "\n".join([",".join(first), *map(",".join, cells)]) + "\n"


def test_a_first_line_that_may_be_either_is_asked_about(tmp_path: Path) -> None:
    text = matrix("12", "47", "33", "81")
    message = refused(tmp_path, text)
    assert "may name the sensors or be the first readings; use --kind lstnet" in message
    ids, values, report = take(tmp_path, text, kind="lstnet")
    assert (ids, len(values)) == (("0", "1", "2", "3"), 61)
    assert values[0].tolist() == [12, 47, 33, 81]
    assert any("first line" in said for said in report.assumed)


@pytest.mark.parametrize(
    "text",
    [
        matrix("54.5", "53.8", "52.1", decimals=True),
        matrix("54", "54", "52"),
        matrix("54", "-3", "52"),
        matrix("1e-3", "5.1", "2.2"),
    ],
)
def test_a_first_line_of_readings_is_no_header(tmp_path: Path, text: str) -> None:
    assert "has no header line" in refused(tmp_path, text)
    assert len(take(tmp_path, text, kind="lstnet")[1]) == 61


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        (matrix("400001", "400017", "400030"), ("400001", "400017", "400030")),
        (matrix("12", "47", "33", "81", "9", decimals=True), ("12", "47", "33", "81", "9")),
        (matrix("0", "1", "2", "3", "4", low=0, high=9), ("0", "1", "2", "3", "4")),
    ],
)
@pytest.mark.parametrize("file", ["flow.csv", "flow.txt"])
def test_numbers_that_can_only_be_ids_are_ids(
    tmp_path: Path, text: str, ids: tuple[str, ...], file: str
) -> None:
    found, values, report = take(tmp_path, text, file=file)
    assert found == ids
    np.testing.assert_array_equal(
        values, pd.read_csv(tmp_path / file).to_numpy(np.float32), "pandas knows the header"
    )
    assert any("first line" in said for said in report.assumed)


def test_readings_alone_need_no_header_in_lstnets_form(tmp_path: Path) -> None:
    ids, values, _ = take(tmp_path, matrix("54.2", "53.8", decimals=True), file="flow.txt.gz")
    assert (ids, values.shape) == (("0", "1"), (61, 2))
    np.testing.assert_array_equal(values[0], np.array([54.2, 53.8], np.float32))


RAW = "".join(f"{TIMES[n]:%m/%d/%Y %H:%M:%S},715{n % 3},7,N,ML,.4,{n}.5,,\n" for n in range(90))


@pytest.mark.parametrize("file", ["d07.csv", "d07.txt", "d07.txt.gz"])
def test_raw_text_of_an_agency_has_no_header(tmp_path: Path, file: str) -> None:
    message = refused(tmp_path, RAW, file=file)
    assert "has no header line" in message
    assert "'03/01/2024 00:00:00'" in message
    assert "put a line of column names above it" in message


def test_marks_in_lstnets_form_are_named(tmp_path: Path) -> None:
    text = "".join(f"{n}.5,{'M' if n == LATE else 7}\n" for n in range(STEPS))
    message = refused(tmp_path, text, file="flow.txt")
    assert f"column '1' holds 'M' in row {LATE + 1}; say --missing 'M'" in message


def test_a_table_of_times_as_txt_is_told_the_kind(tmp_path: Path) -> None:
    assert "--kind long-table or wide-table" in refused(tmp_path, wide(), file="a.txt")
    assert_same(take(tmp_path, wide(), file="a.txt", kind="wide-table"))


def parquet(folder: Path, cells: list[object]) -> Path:
    frame = pd.DataFrame({"time": TIMES[: len(cells)], "A": cells, "B": range(len(cells))})
    frame.to_parquet(folder / "a.parquet")
    return folder / "a.parquet"


def test_numbers_as_texts_in_parquet_are_numbers(tmp_path: Path) -> None:
    import_store(parquet(tmp_path, ["1", "2.5", "NA", None, " 4"]), tmp_path / "store")
    readings = open_store(tmp_path / "store").readings
    values = np.where(readings.observed[:], readings.values[:], np.nan)[..., 0]
    np.testing.assert_array_equal(values[:, 0], [1, 2.5, np.nan, np.nan, 4])


def test_other_texts_in_parquet_are_named(tmp_path: Path) -> None:
    file = parquet(tmp_path, ["1", "M", "2", "x", "3"])
    with pytest.raises(DataError, match=r"'A' holds 'M' in row 2 \(and there are 'x'\); say --mis"):
        import_store(file, tmp_path / "store")
    import_store(file, tmp_path / "store", missing=("M", "x"))
    assert open_store(tmp_path / "store").readings.observed[:].sum() == 8


def test_an_option_of_texts_has_no_effect_on_numbers(tmp_path: Path) -> None:
    file = parquet(tmp_path, [1.5, 2, 3])
    for options in (ReadOptions(decimal=","), ReadOptions(encoding="latin-1")):
        with pytest.raises(DataError, match="had no effect"):
            import_store(file, tmp_path / "store", options=options)


def test_columns_of_several_levels_are_told(tmp_path: Path) -> None:
    columns = pd.MultiIndex.from_product([["s1", "s2"], ["flow", "speed"]])
    frame = pd.DataFrame(np.ones((3, 4)), pd.Index(TIMES[:3], name="time"), columns)
    frame.to_parquet(tmp_path / "multi.parquet")
    levels = open_table(tmp_path / "multi.parquet").levels
    assert levels is not None
    assert set(levels) == {*columns, ("time",)}
    assert open_table(parquet(tmp_path, [1, 2])).levels is None


def test_two_lines_of_names_are_refused(tmp_path: Path) -> None:
    columns = pd.MultiIndex.from_product([["s1", "s2"], ["flow", "speed"]])
    text = pd.DataFrame(np.ones((3, 4)), pd.Index(TIMES[:3], name="time"), columns).to_csv()
    assert "one line of column names" in refused(tmp_path, text)


def test_the_sample_is_plain(tmp_path: Path) -> None:
    """Readers of roles see numbers with a point, and "" for what is missing."""
    (tmp_path / "a.csv").write_text("time;A;name\n2024-03-01; 1,5 ;x\n2024-03-02;n/a;y\n")
    table = open_table(tmp_path / "a.csv")
    assert table.sample.to_dict("list") == {
        "time": ["2024-03-01", "2024-03-02"],
        "A": ["1.5", ""],
        "name": ["x", "y"],
    }
    assert [table.is_numeric(name) for name in table.columns] == [False, True, False]
    assert table.row_of(400) == "row 401 below the header"
    assert "n/a" in table.null_texts
