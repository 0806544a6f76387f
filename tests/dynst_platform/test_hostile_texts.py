"""Ids, units and names that are markup, formulas, control characters, or far too long, through
every medium that shows them.
"""

import csv
import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.validation import _validate_metric_name

from dynst.data.edges import Edges
from dynst.data.manifest import Channel
from dynst.data.sensor_table import Sensors
from dynst.data.spreadsheet_cells import guarded, unguarded
from dynst.data.store import SensorStore, open_store
from dynst.data.writer import Origin, StoreWriter
from dynst.models.columns import forecast_columns, output_columns, reading_columns
from dynst_platform.commands.compare.command import compare
from dynst_platform.commands.data.printing import print_store
from dynst_platform.commands.train.table import print_table
from dynst_platform.commands.train.workflow import Outcome, train
from dynst_platform.config.locations import tracking_uri
from dynst_platform.config.sensor_choice import read_choice
from dynst_platform.csv_files import write_csv
from dynst_platform.model_registry.runs import trainings_of
from dynst_platform.plots.errors import draw_errors_by_step
from dynst_platform.plots.figures import drawn
from dynst_platform.plots.html_report import Section, write_html
from dynst_platform.plots.mask_history import draw_mask_history
from dynst_platform.plots.masks import draw_mask
from dynst_platform.plots.stores import draw_store
from dynst_platform.terminal.lines import pass_on, say
from dynst_platform.terminal.output import print_result
from dynst_platform.terminal.screen import Screen, TextTable
from dynst_platform.text import printable, printable_lines
from dynst_platform.tracking.mlflow_texts import dataset_name, keys_for, quoted, runs_tagged
from tests.conftest import with_tracking_store
from tests.dynst_platform.commands.train.test_train import small_job

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"
)
NAMES = (
    "Quay St [north]",
    "[/h]",
    "[/oops]",
    "[bold red]x[/]",
    ":smile:",
    "\x1b[31mred\x1b[0m",
    r"$\frac{$",
    "$",
    '=HYPERLINK("http://x","y")',
    "@SUM(A1)",
    "-A",
    "-12",
    "'=x",
    "''=x",
    "time",
    "self",
    "_private",
    "😀",
    "مرحبا",
    "\u202egnp.exe",
    "two\nlines",
    "tab\t",
    "\x00",
    "a;=1+1",
    'it\'s "both"',
    "a/b",
    "..",
    "n" * 5000,
)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> SensorStore:
    """A network whose every name is one of these."""
    return write_hostile(tmp_path_factory.mktemp("hostile") / "store", NAMES, steps=60)


def write_hostile(path: Path, names: tuple[str, ...], steps: int) -> SensorStore:
    ids = tuple(name.replace("\x00", "nul") for name in names)
    rng = np.random.default_rng(0)
    channels = [Channel(name=r"$\frac{$", unit="[/h]"), Channel(name="=1", unit="\x1b[2J")]
    origin = Origin(r"[/oops] $\x", attribution="\x1b]0;me\x07 [/]", positions="plane")
    sensors = Sensors(ids, rng.uniform(size=(len(ids), 2)))
    with StoreWriter(path, origin, channels, sensors, Edges.none()) as store:
        store.append(
            3600 * np.arange(steps), rng.normal(size=(steps, len(ids), 2)).astype(np.float32)
        )
    return open_store(path)


def shown_by(screen_width: int, table: TextTable) -> str:
    out = io.StringIO()
    screen = Screen(file=out, width=screen_width, force_terminal=True, color_system=None)
    screen.table(table)
    return out.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_a_table_shows_a_name_as_it_is(name: str) -> None:
    table = TextTable(f"({name})")
    table.column("sensor", name)
    table.row(name)
    table.caption_of(name)
    shown = "".join(shown_by(20_000, table).split())
    assert shown.count("".join(printable(name).split())) >= 4
    assert "\x1b[31m" not in shown


@given(ANY_TEXT)
def test_what_is_shown_steers_nothing_and_is_one_line(name: str) -> None:
    shown = printable(name)
    assert len(shown.splitlines()) == 1
    assert "\x1b" not in shown
    assert printable(shown) == shown
    out = io.StringIO()
    Screen(file=out, width=200, force_terminal=True, color_system=None).show(name, label=name)
    assert out.getvalue() == f"{shown * 2}\n"


def test_lines_of_a_job_keep_their_ends_and_colours() -> None:
    text = "a\x1b[36m(raylet)\x1b[0m b\n\x1b]0;title\x07\x1b[2J"
    assert printable_lines(text) == ("a\x1b[36m(raylet)\x1b[0m b\n\\x1b]0;title\\x07\\x1b[2J")


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    say("\x1b[2Jnorth\nsouth \udcff")
    pass_on("one\ntwo\x1b[2J\n")
    assert capsys.readouterr().out == "\\x1b[2Jnorth\\nsouth \\udcff\none\ntwo\\x1b[2J\n"


def test_describe_prints_every_name(
    hostile: SensorStore, capsys: pytest.CaptureFixture[str]
) -> None:
    print_store(str(hostile.path))
    shown = capsys.readouterr().out
    assert r"[/oops] $\x" in shown
    assert "[/h]" in shown
    assert "\\x1b]0;me\\x07 [/]" in shown
    assert "\x1b]" not in shown


def test_figures_show_every_name(hostile: SensorStore, tmp_path: Path) -> None:
    """With every warning an error, as in all tests."""
    count = len(hostile.sensors)
    active, importance = np.arange(count) % 2 == 0, np.linspace(0, 1, count)
    draw_store(tmp_path / "store.png", hostile)
    draw_mask(tmp_path / "mask.png", hostile, active, importance, hostile.manifest.name * 100)
    draw_mask_history(
        tmp_path / "history.png",
        hostile.sensors.ids,
        np.array([3, 7]),
        np.stack([active, active]),
        np.stack([importance, importance]),
        importance,
    )
    rows = [
        {"forecaster": "dynst", "group": "all", "channel": name, "step": 1, "mae": 1.0}
        for name in hostile.channel_names
    ]
    units = {channel.name: channel.unit for channel in hostile.manifest.channels}
    draw_errors_by_step(
        tmp_path / "errors.png", pd.DataFrame(rows).assign(minutes_ahead=60.0), units
    )
    assert {file.name for file in tmp_path.iterdir()} == {
        "store.png",
        "mask.png",
        "history.png",
        "errors.png",
    }


def test_a_figure_that_fails_is_a_note(tmp_path: Path) -> None:
    def draw() -> None:
        (tmp_path / "map.png").write_text("half")
        raise ValueError("no font at http://me:secret@host\n")

    assert drawn(tmp_path / "map.png", draw) == tmp_path / "map-not-drawn.txt"
    assert (tmp_path / "map-not-drawn.txt").read_text() == (
        "map.png was not drawn: no font at http://host\n"
    )
    assert not (tmp_path / "map.png").exists()
    assert drawn(tmp_path / "map.png", lambda: (tmp_path / "map.png").touch() or None).exists()
    assert not (tmp_path / "map-not-drawn.txt").exists()


@given(ANY_TEXT)
def test_a_guarded_cell_is_no_formula_and_comes_back(text: str) -> None:
    assert unguarded(guarded(text)) == text
    first = guarded(text)[0]
    assert first not in "=@\t\r\n"
    assert first not in "+-" or np.isfinite(float(text)) or "e" in text.lower()


@given(st.lists(ANY_TEXT, min_size=1, max_size=8, unique=True))
def test_a_choice_written_for_a_spreadsheet_is_read_as_it_was(ids: list[str]) -> None:
    out = io.StringIO()
    write_csv(out, pd.DataFrame({"sensor": ids, "importance": -1.5, "active": True}))
    rows = list(csv.reader(io.StringIO(out.getvalue(), newline="")))
    assert [row[1] for row in rows[1:] if row] == ["-1.5"] * len(ids)
    place = {name: index for index, name in enumerate(ids)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", lambda *_, **__: io.StringIO(out.getvalue(), newline=""))
        assert read_choice("sensors.csv", tuple(place)).all()


def test_a_choice_of_another_program_may_have_the_bare_id(tmp_path: Path) -> None:
    (tmp_path / "choice.csv").write_text("sensor\n-A\n'=x\n")
    assert read_choice(str(tmp_path / "choice.csv"), ("-A", "'=x")).all()


def test_a_cell_is_quoted_where_another_separator_would_cut_it() -> None:
    out = io.StringIO()
    write_csv(out, pd.DataFrame({"sensor": ["a;=1+1"], "cost": [2]}))
    assert out.getvalue() == '"sensor","cost"\n"a;=1+1",2\n'


def test_a_page_shows_names_and_commands_as_they_are(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    section = Section("<b>", columns=("a",), rows=[["<script>\u202e"]], picture="not <drawn>")
    write_html(page, "[/]\n", [section])
    text = page.read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "&lt;script&gt;\\u202e" in text
    assert "not &lt;drawn&gt;" in text


@given(st.lists(ANY_TEXT, min_size=1, max_size=6, unique=True))
def test_names_of_metrics_stay_apart_and_are_taken(names: list[str]) -> None:
    keys = keys_for([f"test/mae_all.{name}" for name in names])
    assert len(set(keys.values())) == len(keys)
    for key in keys.values():
        _validate_metric_name(key)


@pytest.mark.parametrize("name", [*NAMES, ".", "/", "a//b", "flow [m³/h]"])
def test_every_name_has_a_key(name: str) -> None:
    for whole in (name, f"test/mae_all.{name}"):
        _validate_metric_name(keys_for([whole])[whole])
    assert 0 < len(dataset_name(name)) <= 500


def test_a_name_that_mlflow_takes_is_its_key() -> None:
    assert keys_for(["test/mae_all", "test/mae_all.flow [m³/h]"]) == {
        "test/mae_all": "test/mae_all",
        "test/mae_all.flow [m³/h]": "test/mae_all.flow _m³/h_",
    }
    with pytest.raises(MlflowException):
        _validate_metric_name("test/mae_all.flow [m³/h]")


def test_a_filter_quotes_what_it_can_and_looks_at_the_rest() -> None:
    assert [quoted(text) for text in ("a", "it's", 'it\'s "both"', "a\n")] == [
        "'a'",
        '"it\'s"',
        None,
        None,
    ]
    asked = []

    class Page(list):  # type: ignore[type-arg]
        token = None

    class Client:
        def search_runs(self, _: list[str], wanted: str, *__: object, **___: object) -> Page:
            asked.append(wanted)
            runs = [{"dynst.job": 'it\'s "both"'}, {"dynst.job": "other"}]
            return Page(SimpleNamespace(data=SimpleNamespace(tags=tags)) for tags in runs)

    found = list(runs_tagged(Client(), "1", {"dynst.job": 'it\'s "both"'}))  # type: ignore[arg-type]
    assert asked == [""]
    assert [run.data.tags["dynst.job"] for run in found] == ['it\'s "both"']


def described(sensors: list[str], channels: list[str], targets: list[int]) -> SimpleNamespace:
    return SimpleNamespace(
        sensors=tuple(sensors),
        channels=tuple(channels),
        targets=tuple(targets),
        active=[True] * len(sensors),
        blank=(),
    )


@given(
    st.lists(
        st.sampled_from(["time", "a", "a/b", "time/b", "time/b (2)"]), min_size=1, unique=True
    ),
    st.lists(st.sampled_from(["b", "b/b", "time"]), min_size=1, unique=True),
)
def test_columns_of_a_model_are_apart_and_never_the_times(
    sensors: list[str], channels: list[str]
) -> None:
    description = described(sensors, channels, [0])
    for columns in (reading_columns(description), forecast_columns(description)):  # type: ignore[arg-type]
        assert len({"time", *columns}) == len(columns) + 1


def test_a_sensor_called_time_has_the_name_of_its_channel() -> None:
    description = described(["time", "north"], ["flow"], [0])
    assert reading_columns(description) == ["time/flow", "north"]  # type: ignore[arg-type]
    assert output_columns(description) == ["time/flow", "north"]  # type: ignore[arg-type]
    taken = described(["time", "time/flow"], ["flow"], [0])
    assert reading_columns(taken) == ["time/flow", "time/flow (2)"]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tracking_template: Path) -> Iterator[Outcome]:
    """A training on such a network, in MLflow."""
    home = with_tracking_store(tmp_path_factory.mktemp("home"), tracking_template)
    store = write_hostile(
        home / "network", (*NAMES[:6], "time", "two\nlines", "-A", "مرحبا"), steps=600
    )
    few = {"epochs": 3, "steps_per_epoch": 2, "batch_size": 8}
    data = {"store": str(store.path), "targets": list(store.channel_names)}
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        patch.setenv("DYNST_HOME", str(home))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        job = small_job(store, data=data, training=few, references={"random": 0})
        yield train(job, store, lambda report: None)


def test_a_training_ends_with_its_results_in_mlflow(
    trained: Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (trained.queued, trained.queued_note) == (0, "")
    files = {file.path for file in MlflowClient(tracking_uri()).list_artifacts(trained.run_id)}
    assert {"sensors.csv", "sensors.png", "errors_by_step.png", "job.yaml"} <= files
    print_table(trained, by_step=True)
    shown = capsys.readouterr().out
    assert "Quay St [north]" in shown
    assert "([/h]" in shown
    assert "\x1b" not in shown


def test_a_run_with_any_name_is_compared(trained: Outcome, tmp_path: Path) -> None:
    client = MlflowClient(tracking_uri())
    client.set_tag(trained.run_id, "mlflow.runName", "[/oops] =1+1")
    page = tmp_path / "page.html"
    done = CliRunner().invoke(compare, [trained.experiment, "--html", str(page)])
    assert done.exit_code == 0, done.output
    assert "[/oops]" in done.output
    assert "[/oops]" in page.read_text(encoding="utf-8")


def test_the_served_model_has_a_column_for_a_sensor_called_time(trained: Outcome) -> None:
    import mlflow

    mlflow.set_tracking_uri(tracking_uri())
    model = mlflow.pyfunc.load_model(f"runs:/{trained.run_id}/model")
    forecast = model.predict(model.input_example)
    assert list(forecast.columns).count("time") == 1
    assert {r"time/$\frac{$", "time/=1"} <= set(forecast.columns)


def test_a_result_that_no_table_can_show_is_printed_as_json(
    trained: Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: Outcome) -> None:
        raise ValueError("no such style")

    print_result(trained, "table", broken)
    shown = capsys.readouterr()
    assert json.loads(shown.out)["run_id"] == trained.run_id
    assert shown.err == "the table cannot be shown (no such style); as JSON it is:\n"


def test_a_run_whose_tags_were_changed_is_named_and_the_others_are_compared(
    trained: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient(tracking_uri())
    experiment = client.get_experiment_by_name(trained.experiment)
    tags = {"dynst.kind": "learned", "dynst.job": "x", "dynst.promotion": "no JSON"}
    foreign = client.create_run(experiment.experiment_id, tags=tags).info.run_id
    said: list[str] = []
    monkeypatch.setattr("dynst_platform.model_registry.runs.notice", said.append)
    found = trainings_of(client, tracking_uri(), trained.experiment)
    client.delete_run(foreign)
    assert trained.run_id in {training.run_id for training in found}
    assert [f"run {foreign} is left out" in text for text in said] == [True]
