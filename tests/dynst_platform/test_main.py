"""The command line as a user meets it: its exit code, and what it prints where.

One of each kind is a real process.
"""

import contextlib
import io
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from dynst.data.store import SensorStore
from tests.conftest import with_tracking_store, write_network
from tests.damage import as_of_version
from tests.dynst_platform.command_line import COMMAND, JOB, clean_environment, dynst, dynst_here
from tests.waiting import wait_until

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"
)


@pytest.fixture
def job(tmp_path: Path, network: SensorStore) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(JOB.format(store=network.path))
    return path


@pytest.mark.process
def test_version_and_help(tmp_path: Path) -> None:
    assert "dynst, version" in dynst("--version", cwd=tmp_path).stdout
    shown = dynst("--help", cwd=tmp_path).stdout
    assert all(command in shown for command in ("train", "data", "ui"))


@pytest.mark.process
def test_json_alone_goes_to_standard_output(
    tmp_path: Path, job: Path, tracking_template: Path
) -> None:
    with_tracking_store(tmp_path / "runs", tracking_template)
    done = dynst("train", job, "--format", "json", "--set", "references.random=0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert {
        "run_id",
        "experiment",
        "sensors",
        "sparsity",
        "metrics",
        "efficiency",
        "artifacts",
    } <= set(outcome)
    assert {row["step"] for row in outcome["errors_by_step"]} == {1, 2, 3}
    assert outcome["sensors"]["total"] == 8
    assert outcome["sensors"]["active"] == len(outcome["sensors"]["kept"]) == 4
    assert "DynST 4/4" in done.stderr
    assert "\x1b" not in done.stderr
    assert "Warning" not in done.stderr
    assert Path(outcome["artifacts"]["sensor_map"]).stat().st_size > 10_000


@pytest.mark.process
def test_quiet_leaves_the_result_alone(tmp_path: Path, job: Path) -> None:
    few = [
        "--set",
        "references.random=0",
        "--set",
        "references.dense=false",
        "--set",
        "training.epochs=2",
    ]
    done = dynst("train", job, *few, "--offline", "--quiet", "--format", "json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["experiment"] == "small"


@pytest.mark.process
def test_a_terminal_shows_live_bars(tmp_path: Path, job: Path, tracking_template: Path) -> None:
    """On a real (pseudo) terminal, where rich draws; a pipe would never reach that code."""
    with_tracking_store(tmp_path / "runs", tracking_template)
    shown = io.BytesIO()
    command = [*COMMAND, "train", str(job), "--set", "references.random=0"]
    reader, writer = pty.openpty()
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=writer, stderr=writer, env=clean_environment(COLUMNS="150")
    ) as process:
        os.close(writer)
        with contextlib.suppress(OSError):  # the terminal closes when the process ends
            while block := os.read(reader, 4096):
                shown.write(block)
    os.close(reader)
    text = shown.getvalue().decode()
    assert process.returncode == 0, text
    assert "\x1b[" in text
    assert all(
        words in text
        for words in (
            "DynST",
            "4/4",
            "exchanged",
            "Keep 4:",
            "DynST round 1, step",
            "whole job",
            "windows/s",
        )
    )


def test_table_names_every_sensor(tmp_path: Path, job: Path, tracking_template: Path) -> None:
    with_tracking_store(tmp_path / "runs", tracking_template)
    done = dynst_here("train", job, "--by-step", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(f"s{index}" in done.stdout for index in range(8))
    assert "ALL by step ahead (veh/h)" in done.stdout
    assert "INACTIVE by step ahead (veh/h)" in done.stdout
    assert all(
        word in done.stdout
        for word in ("DynST", "dense", "random choice", "persistence", "dynst ui")
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "absent.yaml"], "no job file at absent.yaml"),
        (
            ["train", "job.yaml", "--set", "sparsity.final=1.2"],
            "'sparsity.final' must be less than 1, but got 1.2",
        ),
        (["train", "job.yaml", "--set", "training.epoch=3"], "did you mean 'epochs'?"),
        (
            ["train", "job.yaml", "--set", "training.epochs=many"],
            "'training.epochs' must be an integer",
        ),
        (["train", "job.yaml", "--set", "data.store=nowhere"], "no sensor store at"),
        (
            ["train", "job.yaml", "--set", "data.targets=[speed]"],
            "must name channels of the store (flow), but got 'speed'",
        ),
        (["train", "job.yaml", "--set", "model.window=5000"], "no window of 5000 + 3 steps fits"),
        (
            ["train", "job.yaml", "--set", "sparsity.pinned=[s77]"],
            "sparsity.pinned must name sensors of the store, but got 's77'",
        ),
        (
            ["train", "job.yaml", "--set", "sparsity.min_distance=9"],
            "sparsity.min_distance must leave room for the choice",
        ),
        (["train", "job.yaml", "--set", "oops"], "--set must be key=value"),
        (["train", "job.yaml", "--format", "xml"], "xml"),
        (["data", "describe", "nowhere"], "no sensor store at"),
        (["ui"], "no runs in"),
        (["fly"], "No such command 'fly'"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(
    tmp_path: Path, job: Path, arguments: list[str], message: str
) -> None:
    done = dynst_here(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "runs").exists(), "wrong input must leave nothing behind"


@pytest.mark.process
def test_a_real_process_says_it_too(tmp_path: Path, job: Path) -> None:
    done = dynst("train", job, "--set", "sparsity.final=1.2", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"dynst: {job}: 'sparsity.final' must be less than 1, but got 1.2\n"


def test_a_store_with_nan_positions_is_refused(tmp_path: Path, job: Path) -> None:
    import pyarrow.parquet as pq

    store = write_network(tmp_path / "broken")
    as_of_version(2, store.path)
    table = pq.read_table(store.path / "sensors.parquet")
    pq.write_table(table.set_column(1, "x", [[float("nan")] * 8]), store.path / "sensors.parquet")
    done = dynst_here("train", job, "--set", f"data.store={store.path}", cwd=tmp_path)
    assert done.returncode == 2
    assert "sensor positions must be finite numbers" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_large_network_without_a_graph_is_refused_before_it_starts(
    tmp_path: Path, job: Path
) -> None:
    rows = "".join(",".join(["1.5"] * 600) + "\n" for _ in range(200))
    (tmp_path / "traffic.txt").write_text(rows)
    assert dynst_here("data", "import", "traffic.txt", "traffic", cwd=tmp_path).returncode == 0
    done = dynst_here("train", job, "--set", "data.store=traffic", cwd=tmp_path)
    assert done.returncode == 2
    assert "edges or positions" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_describe_says_what_the_store_holds(tmp_path: Path, network: SensorStore) -> None:
    done = dynst_here("data", "describe", network.path, cwd=tmp_path)
    assert done.returncode == 0
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert "size       8 sensors × 1008 steps × 1 channel" in lines
    assert network.manifest.digest in done.stdout


@pytest.mark.process
def test_import_says_what_it_understood_and_describe_draws_it(tmp_path: Path) -> None:
    stamps = [f"2024-01-{1 + hour // 24:02d} {hour % 24:02d}:00" for hour in range(240)]
    rows = [
        f"{stamp},{hour % 24 + 1},{0 if hour % 3 else 5},{7}" for hour, stamp in enumerate(stamps)
    ]
    (tmp_path / "flow.csv").write_text("\n".join(["time,north,east,south", *rows]))
    done = dynst("data", "import", "flow.csv", "store", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for words in (
        "as wide-table",
        "time from 'time'",
        "exactly 0",
        "data answer store missing=0",
        "3 sensors × 240 steps",
        "constant south",
    ):
        assert words in " ".join(done.stdout.split()), words
    shown = dynst_here("data", "describe", "store", "--picture", "store.png", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert (tmp_path / "store.png").stat().st_size > 10_000
    again = dynst_here("data", "import", "flow.csv", "store", cwd=tmp_path)
    assert again.returncode == 2
    assert "store exists already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.csv", "store"], "nothing at absent.csv"),
        (["flow.csv", "store", "--kind", "excel"], "must be one of pandas-hdf"),
        (["flow.csv", "store", "--step", "5x"], "for instance 15min"),
        (["flow.csv", "store", "--select", "level"], "for instance level=500"),
        (["flow.csv", "store", "--time-column", "when"], "no column 'when'"),
        (["flow.csv", "store", "--graph", "absent.pkl"], "cannot be read as a graph"),
        (["flow.csv", "store", "--aggregate", "most"], "mean"),
    ],
)
def test_a_wrong_import_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "flow.csv").write_text("time,a,b\n2024-01-01,1,2\n2024-01-02,3,4\n")
    done = dynst_here("data", "import", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["flow.csv"]


@pytest.mark.process
def test_offline_then_sync(tmp_path: Path, job: Path) -> None:
    few = [
        "--set",
        "references.random=0",
        "--set",
        "references.dense=false",
        "--set",
        "training.epochs=2",
    ]
    done = dynst_here("train", job, *few, "--offline", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    command = " ".join(done.stdout.split()).rpartition("send what is left with: dynst ")[2].split()
    assert command[0] == "sync"
    assert command[1].startswith("runs/small/")
    assert "MLflow run" not in done.stdout
    assert not (tmp_path / "runs" / "mlflow.db").exists()
    sent = dynst(*command, cwd=tmp_path)
    assert (sent.returncode, sent.stdout) == (0, f"{command[1]}: 3 reports sent\n"), sent.stderr
    assert dynst_here("sync", cwd=tmp_path).stdout == "nothing is waiting in runs\n"
    wrong = dynst_here("sync", "elsewhere", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "must hold delivered.json" in wrong.stderr


def test_no_server_at_the_start_is_one_sentence_and_exit_code_1(tmp_path: Path, job: Path) -> None:
    done = dynst_here("train", job, cwd=tmp_path, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "or train with --offline and send the run later" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_ctrl_c_says_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dynst_platform import main

    def stopped(**_: object) -> None:
        error = KeyboardInterrupt()
        error.add_note("3 reports are not in MLflow yet")
        raise error

    monkeypatch.setattr(main.ui, "callback", stopped)
    monkeypatch.setattr(sys, "argv", ["dynst", "ui"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err.split("\n")[-3:-1] == [
        "dynst: stopped from the keyboard",
        "dynst: 3 reports are not in MLflow yet",
    ]


@pytest.mark.process
@pytest.mark.parametrize(
    ("number", "code", "reason"),
    [
        (signal.SIGTERM, 143, "stopped by SIGTERM"),
        pytest.param(signal.SIGINT, 130, "stopped from the keyboard", marks=pytest.mark.nightly),
    ],
)
def test_a_signal_stops_ray_marks_the_runs_and_prints_no_traceback(
    tmp_path: Path, job: Path, number: signal.Signals, code: int, reason: str
) -> None:
    """Sent to all processes of the group, as a terminal and a batch system do."""
    from mlflow.tracking import MlflowClient

    log = tmp_path / "stderr.txt"
    command = [*COMMAND, "train", str(job)]
    command += ["--set", "cluster.num_workers=1", "--set", "training.epochs=2000"]
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            command,
            cwd=tmp_path,
            stderr=stderr,
            env=clean_environment(),
            start_new_session=True,
        ) as process,
    ):
        wait_until(
            "the third epoch",
            lambda: "dense reference 3/" in log.read_text(),
            process,
            log.read_text,
        )
        started = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, number)
        assert process.wait(60) == code
    wait_until("the end of what it started", lambda: not any(map(is_at_work, started)))
    text = log.read_text()
    assert f"dynst: {reason}" in text
    assert "go on with: dynst train --resume runs/small/" in text
    assert "Traceback" not in text
    client = MlflowClient(f"sqlite:///{tmp_path}/runs/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("small").experiment_id])
    assert {run.info.status for run in runs} == {"KILLED"}
    assert {run.data.tags["dynst.reason"] for run in runs} == {reason}


def is_at_work(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
