"""What JSON and CSV may hold as readings, in the forms in which MLflow hands them over."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynst.data.input_table import readings_of, table_of
from dynst.errors import DataError

NAN = float("nan")


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([1, 2], [1, 2]),
        ([1.5, None], [1.5, NAN]),
        ([None, None], [NAN, NAN]),
        (["1.5", ""], [1.5, NAN]),
        ([" 2 ", None], [2, NAN]),
        ([True, False], [1, 0]),
        (pd.array([1, None], "Int64"), [1, NAN]),
    ],
)
def test_numbers_are_read_however_they_are_written(cells: Any, expected: list[float]) -> None:
    columns = {"a": cells, "b": [7, 8]}
    records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    for given in (columns, records, pd.DataFrame(columns)):
        found = readings_of(table_of(given), ["b", "a"])
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, np.array([[7, 8], expected], np.float32).T)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("abc", "must be a number, .* in row 2 it is 'abc'"),
        ("1,5", "'1,5'"),
        ([1, 2], r"'\[1, 2\]'"),
        ({"x": 1}, "must be a number"),
        (10**400, r"must be a number, .*'1000+…'"),
        (pd.Timestamp("2024-03-01"), "must be a number"),
        (float("inf"), "must be finite, .* in row 2 it is 'inf'"),
        ("-Infinity", "must be finite"),
        (1e39, "must be finite"),
    ],
)
def test_other_cells_are_named(cell: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        readings_of(table_of({"a": [1.0, cell]}), ["a"])


def test_a_column_of_dates_holds_no_readings() -> None:
    with pytest.raises(DataError, match="'a' must be a number"):
        readings_of(pd.DataFrame({"a": pd.date_range("2024-03-01", periods=2)}), ["a"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.array(5), "is a ndarray"),
        ("/etc/hostname", "is a str"),
        ([[1, 2]], "is a list"),
        ({"a": 5}, "single values by name"),
        ({"a": np.array(5), "b": [1, 2]}, "single values by name"),
        ({"a": [1, 2], "b": [1]}, "have a 2, b 1"),
    ],
)
def test_what_is_no_table_is_refused(given: object, words: str) -> None:
    """A single value would be spread over all rows."""
    with pytest.raises(DataError, match=words):
        table_of(given)


def test_cells_that_mlflow_makes_arrays_of_are_read() -> None:
    cells = [np.array(1.5), np.array(None)]
    for given in ({"a": cells}, {"a": np.array(cells)}, [{"a": cell} for cell in cells]):
        found = readings_of(table_of(given), ["a"])
        np.testing.assert_array_equal(found[:, 0], [1.5, NAN])


def test_records_may_lack_a_cell() -> None:
    found = table_of([{"time": "2024-03", "a": 1.5}, {"time": "2024-04"}])
    np.testing.assert_array_equal(readings_of(found, ["a"])[:, 0], [1.5, NAN])
