"""Requests to the scoring server of MLflow, with a model as it is logged: a forecast from what was
meant, or 400 with one sentence.
"""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server
from mlflow.tracking import MlflowClient

from dynst import Experiment, ExperimentConfig, ModelConfig, Recipe, save_arm
from dynst.data.clock import Clock
from dynst_platform.tracking.model_log import log_model
from tests.conftest import with_tracking_store
from tests.dynst_platform.model_registry.test_clocks import written

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"
)
WINDOW = 6
MODEL = ModelConfig(window=WINDOW, horizon=3, hidden=16, embedding=4)
TRAINING = Recipe(epochs=1, steps_per_epoch=2)
Columns = dict[str, list[Any]]


class Served(NamedTuple):
    model: mlflow.pyfunc.PyFuncModel
    app: Any
    columns: Columns  # a window of them, as texts and floats

    def post(self, body: bytes, kind: str = "application/json") -> tuple[int, Any]:
        """Status and decoded body of a request to ``/invocations``."""
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/invocations",
            "query_string": b"",
            "headers": [(b"content-type", kind.encode())],
        }
        incoming = iter([{"type": "http.request", "body": body}, {"type": "http.disconnect"}])
        answer: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return next(incoming)

        async def send(message: dict[str, Any]) -> None:
            answer.append(message)

        asyncio.run(self.app(scope, receive, send))
        text = b"".join(message.get("body", b"") for message in answer)
        return answer[0]["status"], json.loads(text)


def _model_of(folder: Path, template: Path, zone: str | None) -> Served:
    model = _logged(folder, template, zone)
    columns = {name: list(cells) for name, cells in model.input_example.items()}
    return Served(model, scoring_server.init(model), columns)


def _logged(folder: Path, template: Path, zone: str | None) -> Any:
    """Hourly readings that end three hours before Berlin's clocks are put back in 2044."""
    time = 2_361_391_200 - 3600 * np.arange(600)[::-1]
    store = written(folder / "store", time, Clock(zone=zone))
    experiment = Experiment(store, ExperimentConfig(model=MODEL, training=TRAINING))
    save_arm(folder / "dynst", experiment, experiment.dense())
    mlflow.set_tracking_uri(f"sqlite:///{with_tracking_store(folder, template) / 'mlflow.db'}")
    experiment_id = MlflowClient().create_experiment("served", str(folder / "runs"))
    run = MlflowClient().create_run(experiment_id)
    model_id = log_model(MlflowClient(), run, store, folder / "dynst", None, "")
    return mlflow.pyfunc.load_model(f"models:/{model_id}")


@pytest.fixture(scope="module")
def zoned(tmp_path_factory: pytest.TempPathFactory, tracking_template: Path) -> Served:
    return _model_of(tmp_path_factory.mktemp("zoned"), tracking_template, "Europe/Berlin")


@pytest.fixture(scope="module")
def naive(tmp_path_factory: pytest.TempPathFactory, tracking_template: Path) -> Served:
    return _model_of(tmp_path_factory.mktemp("naive"), tracking_template, None)


def _records(columns: Columns) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _split(columns: Columns) -> dict[str, Any]:
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    return {"columns": list(columns), "data": rows}


def _json(key: str, of: Callable[[Columns], Any]) -> Callable[[Columns], tuple[bytes, str]]:
    return lambda columns: (json.dumps({key: of(columns)}).encode(), "application/json")


def _csv(columns: Columns) -> tuple[bytes, str]:
    return pd.DataFrame(columns).to_csv(index=False).encode(), "text/csv"


FORMS = {
    "dataframe_split": _json("dataframe_split", _split),
    "dataframe_records": _json("dataframe_records", _records),
    "instances": _json("instances", _records),
    "inputs": _json("inputs", dict),
    "inputs as records": _json("inputs", _records),
    "csv": _csv,
}
forms = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def _forecast(served: Served, columns: Columns, form: Callable[..., Any]) -> list[dict[str, Any]]:
    status, answer = served.post(*form(columns))
    assert status == 200, answer
    predictions: list[dict[str, Any]] = answer["predictions"]
    return predictions


@forms
def test_every_form_is_the_same_forecast(zoned: Served, form: Callable[..., Any]) -> None:
    expected = zoned.model.predict(pd.DataFrame(zoned.columns))
    times = [f"2044-10-30T0{hour}:00:00+0{shift}:00" for hour, shift in ((1, 2), (2, 2), (2, 1))]
    assert [moment.isoformat() for moment in expected["time"]] == times
    found = _forecast(zoned, zoned.columns, form)
    assert [row["time"] for row in found] == times
    for name in "abcd":
        assert [row[name] for row in found] == pytest.approx(expected[name].tolist())


@forms
def test_numbers_may_be_texts_or_whole_and_other_columns_are_ignored(
    naive: Served, form: Callable[..., Any]
) -> None:
    whole = _readings(3, every=True)(naive.columns)
    texts = {name: [str(cell) for cell in cells] for name, cells in whole.items()}
    expected = _forecast(naive, whole, form)
    assert _forecast(naive, texts | {"z": ["?"] * WINDOW}, form) == expected
    fractions = [f"{text.replace(' ', 'T')}.000" for text in whole["time"]]
    assert _forecast(naive, whole | {"time": fractions}, form) == expected


@forms
def test_a_step_that_is_left_out_is_missing(naive: Served, form: Callable[..., Any]) -> None:
    left_out = {name: [*cells[:2], *cells[3:]] for name, cells in naive.columns.items()}
    empty = {
        name: cells if name == "time" else [*cells[:2], None, *cells[3:]]
        for name, cells in naive.columns.items()
    }
    assert _forecast(naive, left_out, form) == _forecast(naive, empty, form)
    assert _forecast(naive, left_out, form) != _forecast(naive, naive.columns, form)


@forms
def test_rows_before_the_window_are_not_read(naive: Served, form: Callable[..., Any]) -> None:
    before = _times(_a_year_before)(_readings(1e6)(naive.columns))
    longer = _appended(before, naive.columns)
    assert _forecast(naive, longer, form) == _forecast(naive, naive.columns, form)


def _times(change: Callable[[list[str]], list[Any]]) -> Callable[[Columns], Columns]:
    return lambda columns: columns | {"time": change(columns["time"])}


def _readings(cell: object, every: bool = False) -> Callable[[Columns], Columns]:
    def changed(columns: Columns) -> Columns:
        names = [name for name in columns if name != "time"]
        return columns | {name: [cell] * WINDOW for name in (names if every else names[:1])}

    return changed


def _a_year_before(times: list[str]) -> list[str]:
    return [text.replace("2044", "2043") for text in times]


def _appended(first: Columns, second: Columns) -> Columns:
    return {name: [*cells, *second[name]] for name, cells in first.items()}


WRONG: dict[str, tuple[Callable[[Columns], Columns], str]] = {
    "null": (_times(lambda old: [old[0], None, *old[2:]]), "row 2 has none"),
    "repeated": (_times(lambda old: [old[0], *old[:-1]]), "row 2 .* is not after"),
    "reversed": (_times(lambda old: old[::-1]), "row 2 .* is not after"),
    "another step": (
        _times(lambda old: [f"2044-10-29 00:{minute}0:00" + old[0][19:] for minute in range(6)]),
        "every 1 h, but rows are 10 min apart",
    ),
    "milliseconds": (
        _times(lambda old: [2_361_304_800_000 + 3_600_000 * row for row in range(WINDOW)]),
        "'2361304800000' .2044-10-28T22:00:00 if it is milliseconds",
    ),
    "seconds": (
        _times(lambda old: [1_701_792_000 + 3600 * row for row in range(WINDOW)]),
        "2023-12-05T16:00:00 if it is seconds .* 1970-01-20T16:43:12 if it is milliseconds",
    ),
    "seconds as texts": (
        _times(lambda old: [str(1_701_792_000 + 3600 * row) for row in range(WINDOW)]),
        "2023-12-05T16:00:00 if it is seconds",
    ),
    "some with an offset": (
        _times(lambda old: [old[0][:19], *(text[:19] + "+02:00" for text in old[1:])]),
        "offset",
    ),
    "fractions": (
        _times(lambda old: [text[:19] + ".5" + text[19:] for text in old]),
        "whole seconds",
    ),
    "no date": (_times(lambda old: ["soon", *old[1:]]), "in row 1 it is 'soon'"),
    "a row too few": (
        lambda columns: {name: cells[1:] for name, cells in columns.items()},
        "reads the last 6 steps, from 2044-.* on, but the rows begin with 2044-.* more history",
    ),
    "one row": (
        lambda columns: {name: cells[:1] for name, cells in columns.items()},
        "more history",
    ),
    "older rows after newer ones": (
        lambda columns: _appended(columns, _times(_a_year_before)(columns)),
        "row 7 .* is not after",
    ),
    "no time": (
        lambda columns: {name: cells for name, cells in columns.items() if name != "time"},
        "'time' is absent",
    ),
    "an absent sensor": (
        lambda columns: dict(list(columns.items())[:-1]),
        "'[abcd]' is absent",
    ),
    "text": (_readings("off"), "'[abcd]' must be a number, .* in row 1 it is 'off'"),
    "infinite": (_readings("Infinity"), "must be finite"),
    "too large": (_readings(1e39), "must be finite"),
    "no reading at all": (_readings(None, every=True), "at least one reading"),
}


@forms
@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG)
def test_wrong_input_is_refused_with_one_sentence(
    zoned: Served,
    naive: Served,
    change: Callable[[Columns], Columns],
    words: str,
    form: Callable[..., Any],
) -> None:
    for served in (zoned, naive):
        status, answer = served.post(*form(change(served.columns)))
        assert (status, set(answer)) == (400, {"error_code", "message"}), answer
        assert re.search(words, answer["message"]), answer
        assert "\n" not in answer["message"]
        with pytest.raises(MlflowException, match=words):
            served.model.predict(pd.DataFrame(change(served.columns)))


@forms
def test_the_zone_decides_on_offsets(
    zoned: Served, naive: Served, form: Callable[..., Any]
) -> None:
    cut = _times(lambda old: [text[:19] for text in old])
    status, answer = zoned.post(*form(cut(zoned.columns)))
    assert status == 400
    assert "must have its offset, such as '1970-01-01 01:00:00+01:00'" in answer["message"]
    with_offset = _times(lambda old: [f"{text}Z" for text in old])
    status, answer = naive.post(*form(with_offset(naive.columns)))
    assert status == 400
    assert "zone of the model's times is unknown" in answer["message"]


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b'{"dataframe_records": []}', "application/json", "'time' and [0-9] more are absent"),
        (b'{"inputs": {}}', "application/json", "absent"),
        (b'{"instances": 5}', "application/json", "must be a table with named columns"),
        (b'{"instances": [[1, 2]]}', "application/json", "must be a table with named columns"),
        (b'{"inputs": {"time": "2024-03-01"}}', "application/json", "single values by name"),
        (b'{"prompt": "hello"}', "application/json", "must be a table with named columns"),
        (b"a\n1\n", "text/csv", "'time' and"),
    ],
)
def test_what_is_no_table_of_the_model_is_refused(
    naive: Served, body: bytes, kind: str, words: str
) -> None:
    status, answer = naive.post(body, kind)
    assert (status, set(answer)) == (400, {"error_code", "message"}), answer
    assert re.search(words, answer["message"]), answer


def test_a_table_without_rows_is_refused(naive: Served) -> None:
    for form in (_csv, FORMS["dataframe_split"]):
        status, answer = naive.post(*form({name: [] for name in naive.columns}))
        assert (status, answer["message"][:40]) == (400, "the model reads the last 6 steps, but go")


def test_a_column_that_stands_twice_is_refused(naive: Served) -> None:
    """Of a CSV pandas names the second one ``a.1``."""
    name = list(naive.columns)[1]
    twice = pd.DataFrame(naive.columns)
    twice = pd.concat([twice, twice[[name]] + 1], axis=1)
    split = json.dumps({"dataframe_split": {"columns": [*twice], "data": twice.values.tolist()}})
    for status, answer in (
        naive.post(split.encode()),
        naive.post(twice.to_csv(index=False).encode(), "text/csv"),
    ):
        assert status == 400
        assert f"'{name}' stands there twice" in answer["message"]


def test_datetimes_of_python_are_read(zoned: Served) -> None:
    table = pd.DataFrame(zoned.columns)
    moments = table.assign(time=pd.to_datetime(table["time"], utc=True))
    pd.testing.assert_frame_equal(zoned.model.predict(moments), zoned.model.predict(table))
    with pytest.raises(MlflowException, match="must have its offset"):
        zoned.model.predict(moments.assign(time=moments["time"].dt.tz_localize(None)))


def test_a_model_of_very_many_sensors_has_no_list_of_columns(
    naive: Served, tmp_path: Path, tracking_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dynst_platform.tracking.model_log.WIDEST", 1)
    model = _logged(tmp_path, tracking_template, None)
    assert naive.model.metadata.signature is not None
    assert (model.metadata.signature, model.input_example) == (None, None)
    table = pd.DataFrame(naive.columns)
    pd.testing.assert_frame_equal(model.predict(table), naive.model.predict(table))
