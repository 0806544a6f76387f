"""``dynst data``: what an import says, what a store asks, and how it is answered."""

import errno
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dynst.data.spool import Spool
from dynst.data.store import open_store
from dynst.data.writer import StoreWriter
from dynst.storage.scratch import scratch_folder
from tests.dynst_platform.command_line import JOB, dynst_here

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"
)
STEPS = 400


@pytest.fixture
def counts(tmp_path: Path) -> Path:
    """Hourly counts of four sensors with a -1 among them."""
    values = np.random.default_rng(0).poisson(20, (STEPS, 4)).astype(float)
    values[5, 1] = -1
    frame = pd.DataFrame(values, pd.date_range("2024-01-01", periods=STEPS, freq="h"), list("abcd"))
    frame.to_csv(tmp_path / "counts.csv", index_label="time")
    return tmp_path


def test_the_question_comes_last_and_again_until_it_is_answered(counts: Path) -> None:
    lines = dynst_here("data", "import", "counts.csv", "s", cwd=counts).stdout.split("\n")
    assert lines.index("Known:") < lines.index("Assumed:")
    question = [line for line in lines if line][-1]
    assert question.startswith("? open question: 'value' is exactly -1 in 1 of 1,600 readings")
    assert "dynst data answer s missing=-1" in question
    assert "dynst data answer s none" in question
    text = " ".join(dynst_here("data", "describe", "s", cwd=counts).stdout.split())
    assert "none missing, unless -1 means missing" in text
    assert " ".join(question.split()) in text
    answered = dynst_here("data", "answer", "s", "missing=-1", cwd=counts)
    assert answered.returncode == 0
    assert "open question" not in answered.stdout
    assert "missing (NaN, -1)" in answered.stdout


def test_a_training_repeats_the_question(counts: Path) -> None:
    dynst_here("data", "import", "counts.csv", "s", cwd=counts)
    (counts / "job.yaml").write_text(JOB.format(store="s"))
    few = ("--set", "training.epochs=1", "--set", "references.random=0")
    command = ("train", "job.yaml", *few, "--set", "references.dense=false", "--offline")
    asked = dynst_here(*command, cwd=counts)
    assert asked.returncode == 0, asked.stderr
    assert asked.stderr.count("open question: 'value' is exactly -1") == 1
    dynst_here("data", "answer", "s", "none", cwd=counts)
    assert "open question" not in dynst_here(*command, cwd=counts).stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["answer", "s", "missing=7"], "s asks about -1"),
        (["answer", "s", "maybe"], "missing=NUMBER or none"),
        (["answer", "s", "missing", "-1"], "such as missing=-1, but got 'missing'"),
        (["answer", "s", "-1"], "such as missing=-1, but got '-1'"),
        (["answer", "s", "none", "missing=-1"], "'none' must stand alone"),
        (["answer", "nowhere", "none"], "no sensor store at nowhere"),
        (["sensors", "nowhere", "counts.csv"], "no sensor store at nowhere"),
        (["sensors", "s", "counts.csv"], "counts.csv must have a column id"),
        (["sensors", "s", "nowhere.csv"], "nowhere.csv cannot be read as a table of sensors"),
        (["import", "counts.csv", "t", "--zone", "Berlin"], "--zone must name a time zone"),
        (["import", "counts.csv", "t", "--select", "level=5"], "--select had no effect"),
        (["import", "counts.csv", "t", "--key", "df"], "--key had no effect"),
        (["import", "counts.csv", "t", "--weights", "distance"], "--weights had no effect"),
        (["import", "counts.csv", "t", "--day-first"], "--day-first had no effect"),
        (["import", "counts.csv", "t", "--unit", "a", "--unit", "b"], "--unit must be given for"),
        (["import", "counts.csv", "t", "--step", "1h"], "--step had no effect"),
    ],
)
def test_a_wrong_word_is_one_sentence(counts: Path, arguments: list[str], message: str) -> None:
    dynst_here("data", "import", "counts.csv", "s", cwd=counts)
    done = dynst_here("data", *arguments, cwd=counts)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in counts.iterdir()) == ["counts.csv", "s"]


def test_names_units_and_zone_from_the_user(counts: Path) -> None:
    flags = ("--channel-name", "flow", "--unit", "veh/h", "--zone", "Europe/Berlin", "--missing=-1")
    done = dynst_here("data", "import", "counts.csv", "s", *flags, cwd=counts)
    assert done.returncode == 0, done.stderr
    manifest = open_store(counts / "s").manifest
    assert (manifest.channels[0].name, manifest.channels[0].unit) == ("flow", "veh/h")
    assert manifest.start == "2024-01-01 00:00:00+01:00"
    assert manifest.missing == (-1,)


@pytest.mark.parametrize(("step", "words"), [("1month", "1 month"), ("1year", "1 year")])
def test_steps_of_a_calendar_are_said_by_the_user(tmp_path: Path, step: str, words: str) -> None:
    np.save(tmp_path / "n.npy", np.random.default_rng(0).random((30, 3)))
    flags = ("--start", "1990-01-01", "--step", step)
    done = dynst_here("data", "import", "n.npy", "s", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"a step every {words}" in " ".join(done.stdout.split())


def test_what_is_to_be_checked_comes_after_the_digest_which_is_whole(tmp_path: Path) -> None:
    label = "Concentration of Fine Particulate Matter, hourly means over the last 24 hours"
    frame = pd.DataFrame({label: [1.0, 2, 3, 4]}, pd.date_range("2024-01-01", periods=4, freq="h"))
    frame.assign(station=["a", "b"] * 2).to_csv(tmp_path / "r.csv", index_label="time")
    done = dynst_here("data", "import", "r.csv", "s", cwd=tmp_path)
    lines = done.stdout.splitlines()
    digest = open_store(tmp_path / "s").manifest.digest
    assert f"digest  {digest}" in lines
    assert "…" not in done.stdout
    at = [lines.index(line) for line in ("Known:", f"digest  {digest}", "Assumed:")]
    assert at == sorted(at)
    assert lines[-1].startswith("  - ")


def test_a_table_replaces_costs_and_marks_of_a_store(counts: Path) -> None:
    dynst_here("data", "import", "counts.csv", "s", cwd=counts)
    digest = open_store(counts / "s").manifest.digest
    tables = {
        "first.csv": "id,cost,group,pinned\na,2,north,yes\nb,3,north,\n",
        "next_year.csv": "id,cost\na,5\n",
        "wrong.csv": "id,cost\na,-5\n",
    }
    for name, text in tables.items():
        (counts / name).write_text(text)
    done = dynst_here("data", "sensors", "s", "first.csv", cwd=counts)
    assert done.returncode == 0, done.stderr
    assert "cost, group, pinned of 2 sensors from first.csv" in done.stdout
    dynst_here("data", "sensors", "s", "next_year.csv", cwd=counts)
    sensors = open_store(counts / "s").sensors
    assert sensors.cost.tolist() == [5, 3, 1, 1]
    assert (sensors.group[:2], sensors.pinned.tolist()) == (
        ("north", "north"),
        [True, False, False, False],
    )
    refused = dynst_here("data", "sensors", "s", "wrong.csv", cwd=counts)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "'cost' of 'a' must be a number of at least 0" in refused.stderr
    dynst_here("data", "sensors", "s", "next_year.csv", "--reset", cwd=counts)
    now = open_store(counts / "s")
    assert now.sensors.cost.tolist() == [5, 1, 1, 1]
    assert not now.sensors.pinned.any()
    assert now.manifest.digest == digest


def test_what_a_killed_import_left_is_removed_by_the_next(
    counts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that still works is left alone: here another command, in the midst of its own import."""
    with scratch_folder(counts, "other") as at_work:
        child = os.fork()
        if child == 0:  # pragma: no cover
            monkeypatch.setattr(StoreWriter, "append", lambda *_: os._exit(9))
            dynst_here("data", "import", "counts.csv", "s", cwd=counts)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        (left,) = counts.glob(".s.*")
        assert list(left.iterdir())
        done = dynst_here("data", "import", "counts.csv", "s", cwd=counts)
        assert done.returncode == 0
        assert f"removed from {counts} what a killed process left: {left.name}" in done.stderr
        assert at_work.is_dir()
    assert sorted(path.name for path in counts.iterdir()) == ["counts.csv", "s"]


def test_a_full_disk_is_one_sentence_and_the_same_command_goes_on(
    counts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = dynst_here("data", "import", "counts.csv", "whole", cwd=counts)
    assert undisturbed.returncode == 0
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "append", _full)
        done = dynst_here("data", "import", "counts.csv", "s", cwd=counts)
    assert (done.returncode, done.stdout) == (1, "")
    assert "s cannot be written (No space left on device)" in done.stderr
    assert "make room" in done.stderr
    assert sorted(path.name for path in counts.iterdir()) == ["counts.csv", "whole"]
    assert dynst_here("data", "import", "counts.csv", "s", cwd=counts).returncode == 0
    digests = {open_store(counts / name).manifest.digest for name in ("s", "whole")}
    assert len(digests) == 1


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
