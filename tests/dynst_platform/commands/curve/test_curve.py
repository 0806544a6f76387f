"""``dynst curve`` from the command line, in this process."""

import io
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore
from dynst.evaluation.naive import persistence_errors, seasonal_naive_errors
from dynst.evaluation.ridge import profile_errors
from dynst.experiment.dataset import make_dataset
from dynst.models.factory import ModelConfig
from dynst.selection import baselines as rankings
from dynst.training.trainer import Training
from dynst_platform.commands.curve.summary import DEPENDENT
from dynst_platform.commands.curve.table import _undecided
from dynst_platform.main import main

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"
)

JOB = """\
name: bent
data: {{store: "{store}"}}
model:
  {{window: 6, horizon: 3, hidden: 16, embedding: 4,
   backbone: {{name: morph_graph, options: {{blocks: 1}}}}}}
training: {{epochs: 2, steps_per_epoch: 5, batch_size: 16}}
sparsity: {{pinned: [s1], excluded: [s6]}}
search: {{elimination_rounds: 2, rounds: 2, proposals: 2}}
curve:
  sparsities: [0.5, 0.75]
  baselines: [random, variance]
  random: 2
  fine_tune_epochs: 1
  fine_tune_at: [0.5]
cluster: {{num_workers: 0}}
"""
LATER = ["curve.fine_tune_epochs=0", "curve.fine_tune_at=[]"]


@dataclass
class Bench:
    """A job file in a folder, and a home of its own."""

    folder: Path
    store: SensorStore
    patch: pytest.MonkeyPatch

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def curve(self, *settings: str, output: str = "json") -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        (self.folder / "job.yaml").write_text(JOB.format(store=self.store.path))
        sets = [word for setting in settings for word in ("--set", setting)]
        out, err, code = io.StringIO(), io.StringIO(), 0
        with self.patch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setenv("DYNST_HOME", str(self.home))
            patch.setenv("COLUMNS", "150")
            patch.delenv("MLFLOW_TRACKING_URI", raising=False)
            patch.setattr(
                sys,
                "argv",
                ["dynst", "curve", str(self.folder / "job.yaml"), "--format", output, *sets],
            )
            try:
                main()
            except SystemExit as exit_:
                code = int(exit_.code or 0)
        return code, out.getvalue(), err.getvalue()

    def tasks(self) -> dict[str, int]:
        """Names without their digests, and when each was written."""
        root = self.home / "bent" / "pieces"
        return {
            f"{path.parent.name}/{path.name[:-13]}": path.stat().st_mtime_ns
            for path in root.glob("*/*")
        }


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, network: SensorStore):
    with pytest.MonkeyPatch.context() as patch:
        yield Bench(tmp_path_factory.mktemp("curve"), network, patch)


@pytest.fixture(scope="module")
def done(bench: Bench) -> dict[str, Any]:
    code, out, err = bench.curve()
    assert code == 0, err
    assert "bent: seed-0/dense done, 1 of 10 tasks" in err
    assert "10 of 10 tasks" in err
    return json.loads(out)


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("nothing is left to train")

    monkeypatch.setattr(Training, "run", refuse)


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The epochs of each training that is started."""
    started: list[int] = []
    run: Callable[..., Any] = Training.run

    def count(training: Training, *arguments: Any) -> Any:
        started.append(training.recipe.epochs)
        return run(training, *arguments)

    monkeypatch.setattr(Training, "run", count)
    return started


PIECES = {f"seed-0/{name}" for name in ("dense", "shared", "complete", "dynst_nested")} | {
    f"seed-0/{choice}-{sparsity}"
    for choice in ("dynst", "random", "variance")
    for sparsity in ("0.5", "0.75")
}


def test_a_point_for_each_stage_sparsity_and_choice(done: dict[str, Any]) -> None:
    points = {
        (point["stage"], point["sparsity"], point["choice"]): point for point in done["points"]
    }
    choices = ("dynst", "dynst_nested", "best_rule", "ridge", "random", "variance")
    assert set(points) == {
        ("as it is", sparsity, choice) for sparsity in (0.5, 0.75) for choice in choices
    } | {("fine-tuned", 0.5, choice) for choice in choices}
    for point in points.values():
        assert point["seeds"] == 1
        assert point["p_value"] is None, "one seed shows nothing"
        assert point["spread"] is None
        assert point["over_dense"] == pytest.approx(
            point["mae_all"] / done["references"]["dense"] - 1
        )
        assert (
            min(point["mae_active"], point["mae_inactive"])
            < point["mae_all"]
            < max(point["mae_active"], point["mae_inactive"])
        )


def test_references_read_every_sensor(done: dict[str, Any], network: SensorStore) -> None:
    dataset = make_dataset(network, ModelConfig(window=6, horizon=3))
    naive = seasonal_naive_errors(dataset.test, dataset.scaler)
    assert naive is not None
    assert done["references"] == {
        "dense": pytest.approx(done["references"]["dense"]),
        "persistence": pytest.approx(persistence_errors(dataset.test, dataset.scaler).mae()),
        "seasonal_naive": pytest.approx(naive.mae()),
        "seasonal_profile": pytest.approx(profile_errors(dataset.test, dataset.scaler).mae()),
    }


def test_rows_are_tidy_and_choices_keep_the_constraints(done: dict[str, Any]) -> None:
    folder = Path(done["artifacts"]["folder"])
    rows = pd.read_parquet(folder / "rows.parquet")
    drawn = rows[rows.choice.notna()]
    assert len(drawn) == 2 * 7 + 7, (
        "two draws of random, one of each other; once as they are, once tuned"
    )
    for row in drawn.itertuples():
        kept = str(row.active).split("|")
        assert len(kept) == {0.5: 4, 0.75: 2}[row.sparsity]
        assert "s1" in kept
        assert "s6" not in kept
    errors = drawn.groupby(["stage", "sparsity", "choice"]).mae_all.mean()
    for point in done["points"]:
        assert errors[point["stage"], point["sparsity"], point["choice"]] == pytest.approx(
            point["mae_all"]
        )
    assert np.isfinite(rows.mae_all).all()


def test_files_are_left_and_mlflow_has_them(done: dict[str, Any]) -> None:
    folder = Path(done["artifacts"]["folder"])
    names = {"rows.parquet", "rows.csv", "curve.csv", "locations.csv", "curve.png", "job.yaml"}
    assert names <= {path.name for path in folder.iterdir()}
    assert Path(done["artifacts"]["picture"]).stat().st_size > 10_000
    assert len(pd.read_csv(folder / "curve.csv")) == len(done["points"])
    client = MlflowClient(done["artifacts"]["tracking_uri"])
    run = client.get_run(done["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.tags["dynst.kind"] == "curve"
    assert names <= {item.path for item in client.list_artifacts(done["run_id"])}
    for point in done["points"]:
        stage = "shared" if point["stage"] == "as it is" else "tuned"
        history = client.get_metric_history(
            done["run_id"], f"curve/{point['choice']}/{stage}_mae_all"
        )
        assert {metric.step: metric.value for metric in history}[
            round(100 * point["sparsity"])
        ] == point["mae_all"]


def test_errors_at_every_location_average_to_those_of_the_table(done: dict[str, Any]) -> None:
    """A location's mean has as many entries as any other here; the ridge reads what DynST keeps."""
    folder = Path(done["artifacts"]["folder"])
    table = pd.read_csv(folder / "locations.csv")
    assert list(table.columns) == [
        "stage", "sparsity", "sensor", "kept", "mae", "ridge_mae", "profile_mae",
    ]  # fmt: skip
    assert len(table) == 3 * 8
    points = {
        (point["stage"], point["sparsity"], point["choice"]): point for point in done["points"]
    }
    for (stage, sparsity), group in table.groupby(["stage", "sparsity"]):
        assert group.kept.sum() == {0.5: 4, 0.75: 2}[sparsity]
        for column, choice in (("mae", "dynst"), ("ridge_mae", "ridge")):
            assert group[column].mean() == pytest.approx(
                points[stage, sparsity, choice]["mae_all"], rel=0.05
            )
        assert group.profile_mae.mean() == pytest.approx(
            done["references"]["seasonal_profile"], rel=0.05
        )
    assert [line["locations"] for line in done["simpler"]] == [8, 8]


@pytest.mark.parametrize(
    ("lower", "worst", "said"),
    [
        (-0.01, 0.012, "too short to say that DynST's choice is within 0.5% of"),
        (-0.01, 0.012, "above by at most 1.2% at 50% off"),
        (-0.01, inf, "above by at most an unknown share at 50% off"),
        (0.001, 0.012, "has a larger error than the best rule's: by 0.8% at 50% off"),
        (-0.01, 0.004, ""),
        (None, None, ""),
    ],
)
def test_a_choice_that_may_lose_to_the_rule_is_named(
    lower: float | None, worst: float | None, said: str
) -> None:
    point = {
        "choice": "dynst",
        "sparsity": 0.5,
        "over_rule": 0.008,
        "over_rule_lower": lower,
        "over_rule_upper": worst,
        "over_rule_worst": worst,
    }
    text = "".join(_undecided(SimpleNamespace(points=[point])))  # type: ignore[arg-type]
    assert said in text
    assert bool(text) is bool(said)
    assert not (said.startswith("has a larger") and "too short" in text)


def test_the_choice_is_held_against_the_best_rule_by_blocks(done: dict[str, Any]) -> None:
    points = {
        (point["stage"], point["sparsity"], point["choice"]): point for point in done["points"]
    }
    for (stage, sparsity, choice), point in points.items():
        if choice != "dynst":
            assert point["over_rule"] is None
            continue
        rule = points[stage, sparsity, "best_rule"]["mae_all"]
        assert point["over_rule"] == pytest.approx(point["mae_all"] / rule - 1, abs=1e-6)
        assert point["over_rule_lower"] <= point["over_rule"] <= point["over_rule_upper"]
        assert point["over_rule_worst"] >= point["over_rule_upper"]
        assert 0 <= point["search_taken"] <= 1


def test_the_same_command_again_trains_nothing(
    done: dict[str, Any], bench: Bench, no_training: None
) -> None:
    before = bench.tasks()
    assert set(before) == PIECES
    code, out, err = bench.curve(output="table")
    assert code == 0, err
    assert bench.tasks() == before
    out = " ".join(out.split())
    assert "over ALL 8 locations of the shared network as it is (veh/h)" in out
    assert "over ALL 8 locations after fine-tuning on the choice (veh/h)" in out
    for words in (
        "DynST",
        "variance",
        "random",
        "50% off",
        "75% off",
        "reads 4",
        "reads 2",
        "dense",
        "persistence",
        "dynst ui",
    ):
        assert words in out, words
    assert "t-test" not in out
    code, out, _ = bench.curve()
    assert json.loads(out)["points"] == done["points"]


def test_another_sparsity_or_baseline_adds_its_tasks_alone(
    done: dict[str, Any], bench: Bench, no_training: None
) -> None:
    """A choice on the network as it is needs no training."""
    before = bench.tasks()
    code, _, err = bench.curve(
        "curve.sparsities=[0.25, 0.5, 0.75]", "curve.baselines=[random, variance, qr_pivoting]"
    )
    assert code == 1, "qr_pivoting at 0.5 is tuned, which this test refuses"
    assert "seed-0/qr_pivoting-0.5: nothing is left to train" in err
    after = bench.tasks()
    new = {"dynst-0.25", "random-0.25", "variance-0.25", "qr_pivoting-0.25", "qr_pivoting-0.75"}
    assert set(after) - set(before) == {f"seed-0/{name}" for name in new}
    assert {name: after[name] for name in before} == before
    run = MlflowClient(done["artifacts"]["tracking_uri"]).search_runs(["1"], max_results=1)[0]
    assert run.info.status == "FAILED"
    assert "qr_pivoting-0.5" in run.data.tags["dynst.reason"]


def test_another_seed_adds_its_tasks_and_a_test(
    done: dict[str, Any], bench: Bench, trainings: list[int]
) -> None:
    before = bench.tasks()
    code, out, err = bench.curve("curve.seeds=[0, 1]")
    assert code == 0, err
    after = bench.tasks()
    new = {name.replace("seed-0", "seed-1") for name in PIECES} | {
        f"seed-{seed}/dynst_consensus-{sparsity}" for seed in (0, 1) for sparsity in (0.5, 0.75)
    }
    assert set(after) - set(before) == new
    assert {name: after[name] for name in before} == before
    assert sorted(trainings) == [1, 1, 1, 1, 1, 1, 1, 2, 2, 3], (
        "five choices and two consensuses are tuned, then the two shared networks and dense"
    )
    points = json.loads(out)["points"]
    assert all(point["seeds"] == 2 for point in points)
    assert all(
        (point["p_value"] is None) == (point["choice"] in ("dynst", *DEPENDENT))
        or point["dynst_gain"] == 0
        for point in points
    )
    _, table, _ = bench.curve("curve.seeds=[0, 1]", output="table")
    assert "mean of 2 seeds, against dense; a test over seeds needs at least 3 of them" in " ".join(
        table.split()
    )


def test_searches_are_run_again_and_their_stability_is_written_down(bench: Bench) -> None:
    code, out, err = bench.curve("curve.reruns=3", "curve.baselines=[variance]", *LATER)
    assert code == 0, err
    done = json.loads(out)
    folder = Path(done["artifacts"]["folder"])
    again = [point for point in done["points"] if point["choice"] == "dynst_rerun"]
    assert [point["sparsity"] for point in again] == [0.5, 0.75]
    kept = pd.read_csv(folder / "stability.csv").pivot(
        index="sensor", columns="sparsity", values="kept"
    )
    assert kept.sum().tolist() == pytest.approx([4, 2]), "as many as each run keeps"
    assert (kept.loc["s1"] == 1).all()
    assert (kept.loc["s6"] == 0).all()
    assert (folder / "exchangeable.csv").read_text().startswith("sparsity,sensor,other,one_goes")


def test_a_given_choice_is_one_more_point(
    done: dict[str, Any], bench: Bench, trainings: list[int]
) -> None:
    """The owner may keep what the job excludes."""
    (bench.folder / "mine.csv").write_text("sensor,active\ns0,true\ns1,false\ns6,true\ns7,true\n")
    code, out, err = bench.curve(f"curve.given={bench.folder}/mine.csv")
    assert code == 0, err
    assert trainings == [1]
    given = [point for point in json.loads(out)["points"] if point["choice"] == "given"]
    assert [(point["stage"], point["sparsity"]) for point in given] == [
        ("as it is", 0.625),
        ("fine-tuned", 0.625),
    ]
    rows = pd.read_parquet(Path(json.loads(out)["artifacts"]["folder"]) / "rows.parquet")
    assert set(rows[rows.choice == "given"].active) == {"s0|s6|s7"}


def test_the_network_whose_errors_count_was_trained_on_everything(
    done: dict[str, Any], bench: Bench
) -> None:
    """Blocks of time are withheld from the one that decides alone: a random choice, which nobody
    decides, has the errors that it has where none is withheld.
    """
    settings = ["curve.sparsities=[0.5]", "curve.fine_tune_at=[]", "curve.nested=false"]
    code, out, err = bench.curve(*settings, "search.withhold=false", "name=whole")
    assert code == 0, err
    assert "5 of 5 tasks" in err, "dense, one network, three choices"
    whole = {
        (point["stage"], point["choice"]): point["mae_all"] for point in json.loads(out)["points"]
    }
    for point in done["points"]:
        if point["sparsity"] == 0.5 and point["choice"] in ("random", "variance"):
            assert point["mae_all"] == whole[point["stage"], point["choice"]]


@pytest.mark.parametrize(
    "setting", ["training.learning_rate=0.01", "model.hidden=8", "sparsity.pinned=[s2]"]
)
def test_other_settings_are_other_tasks(
    done: dict[str, Any], bench: Bench, no_training: None, setting: str
) -> None:
    code, _, err = bench.curve(setting)
    assert code == 1
    assert "seed-0/dense: nothing is left to train; seed-0/shared: nothing is left to train" in err
    assert "3 of 10 tasks failed" in err


def test_a_failed_piece_is_named_and_the_same_command_does_the_rest(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [*LATER, "name=broken", "training.epochs=1"]

    def broken(*_: object) -> None:
        raise ValueError("no readings")

    with monkeypatch.context() as patch:
        patch.setitem(rankings.RANKINGS, "variance", broken)
        patch.setattr("dynst.selection.selector.STARTS", ("farthest_point",))
        code, out, err = bench.curve(*settings)
    assert code == 1
    assert out == ""
    assert (
        "2 of 10 tasks failed (seed-0/variance-0.5: no readings; seed-0/variance-0.75: no readings)"
        in " ".join(err.split())
    )
    assert "Traceback" not in err
    assert not list((bench.home / "broken").glob("curve-*/curve.*"))
    code, out, err = bench.curve(*settings)
    assert code == 0, err
    assert len(json.loads(out)["points"]) == 2 * 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["curve.fine_tune_at=[0.6]"],
            "job.yaml: curve.fine_tune_at must be some of curve.sparsities, but got 0.6; add it "
            "there",
        ),
        (
            ["curve.baselines=[randm]"],
            "'curve.baselines.0' must be 'random', 'variance', 'farthest_point'",
        ),
        (["curve.sparsities=[0.5, 1]"], "'curve.sparsities.1' must be less than 1, but got 1"),
        (["curve.sparsities=[]"], "'curve.sparsities'"),
        (["curve.seeds=[]"], "'curve.seeds'"),
        (["curve.random=0"], "'curve.random' must be greater than or equal to 1, but got 0"),
        (["curve.given=absent.csv"], "absent.csv cannot be read"),
        (
            ["curve.given={folder}/wrong.csv"],
            "must name sensors of the store, but got 's77'; did you mean 's7'?",
        ),
        (
            ["curve.sparsities=[0.1, 0.5]", "sparsity.excluded=[s1, s2]", "sparsity.pinned=[]"],
            "only 6 are not excluded",
        ),
        (["sparsity.min_distance=9"], "sparsity.min_distance must leave room for the choice"),
        (["data.store=nowhere"], "no sensor store at"),
    ],
)
def test_wrong_input_is_one_sentence_and_leaves_nothing(
    tmp_path: Path,
    network: SensorStore,
    monkeypatch: pytest.MonkeyPatch,
    settings: list[str],
    message: str,
) -> None:
    fresh = Bench(tmp_path, network, monkeypatch)
    (tmp_path / "wrong.csv").write_text("sensor\ns1\ns77\n")
    code, out, err = fresh.curve(*(setting.format(folder=tmp_path) for setting in settings))
    assert code == 2, err
    assert message in " ".join(err.split())
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err
    assert out == ""
    assert not fresh.home.exists()
