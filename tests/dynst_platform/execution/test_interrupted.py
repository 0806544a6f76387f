"""A job that is interrupted anywhere and taken up by a fresh process ends as one that was left
alone: bit for bit, but seconds.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from dynst.data.store import SensorStore
from dynst.distributed.world import World
from dynst.errors import CheckpointError
from dynst.training.checkpoint_store import Checkpoints
from dynst.training.config import Recipe
from dynst.training.trainer import Training
from dynst_platform.config.job import JobSpec
from dynst_platform.execution import worker
from dynst_platform.execution.run_state import ResumableRun, RunState
from dynst_platform.execution.worker import run_job
from dynst_platform.log import log_of_run
from dynst_platform.reports import Report
from tests.dynst_platform.commands.train.test_train import small_job
from tests.dynst_platform.reports import plain

Reports = list[dict[str, Any]]
OF_THE_CLOCK = {
    "seconds",
    "windows_per_second",
    "peak_memory_mib",
    "peaks_mib",
    "time",
    "artifact",
    "note",
}


class Killed(BaseException):
    """What no code of ours may catch."""


@pytest.fixture(autouse=True)
def no_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        worker, "time_inference", lambda *_: type("Timing", (), {"speed_up": 1.0})()
    )


def job_of(
    network: SensorStore, scheme: str, training: dict[str, Any] | None = None, **sparsity: Any
) -> JobSpec:
    return small_job(
        network,
        training={"epochs": 4, "steps_per_epoch": 5, "batch_size": 16} | (training or {}),
        sparsity={
            "scheme": scheme,
            "final": 0.5,
            "rounds": 3,
            "probe_every": 2,
            "start": 0.3,
            "stop": 0.8,
        }
        | sparsity,
        search={"elimination_rounds": 1, "rounds": 1, "proposals": 2},
        references={"random": 1, "baselines": ["variance"] if scheme == "searched" else []},
    )


def whole(job: JobSpec, network: SensorStore, folder: Path) -> Reports:
    reports: Reports = []
    run_job(job, network.path, folder, lambda report: reports.append(plain(report)))
    return reports


def killed_after_every_checkpoint(
    job: JobSpec, network: SensorStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Reports, int]:
    """Each life of the job ends right after it has written one checkpoint.

    Returns what all of them reported, and how many there were.
    """
    save = Checkpoints.save

    def save_and_die(*arguments: Any) -> None:
        save(*arguments)
        raise Killed

    reports: Reports = []
    lives = 0
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", save_and_die)
        while True:
            lives += 1
            torch.rand(lives - 1)  # a new process has other random numbers
            try:
                run_job(job, network.path, folder, lambda report: reports.append(plain(report)))
            except Killed:
                continue
            return reports, lives


def told_once(reports: Reports) -> Reports:
    """As the reader of the report file sees them."""
    first = {
        (report["arm"], report["kind"], report.get("epoch")): report for report in reversed(reports)
    }
    return [
        first.pop(key)
        for key in dict.fromkeys((r["arm"], r["kind"], r.get("epoch")) for r in reports)
    ]


def facts(reports: Reports) -> Reports:
    """As the report file has them."""
    told: Reports = json.loads(json.dumps(reports))
    return [
        {key: value for key, value in report.items() if key not in OF_THE_CLOCK} for report in told
    ]


def same_models(one: Path, other: Path) -> None:
    names = sorted(path.name for path in (one / "models").iterdir())
    assert names == sorted(path.name for path in (other / "models").iterdir())
    assert {"dense", "dynst", "random-0"} <= set(names)
    for name in names:
        weights, same = (
            load_file(folder / "models" / name / "weights.safetensors") for folder in (one, other)
        )
        assert all(torch.equal(value, same[key]) for key, value in weights.items())
        assert (one / "models" / name / "model.json").read_bytes() == (
            other / "models" / name / "model.json"
        ).read_bytes()


SETTINGS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("searched", {}, {}),
    ("dynamic", {}, {}),
    ("iterative", {"checkpoint_every_steps": 2}, {"rewind": 0.2, "criterion": "learned_gate"}),
    ("one_shot", {"checkpoint_every": 3}, {"criterion": "random"}),
    (
        "dynamic",
        {"checkpoint_every_steps": 3, "checkpoint_every": 2},
        {"start": 0.0, "criterion": "random", "dropout": False},
    ),
]


@pytest.mark.parametrize(("scheme", "training", "sparsity"), SETTINGS)
def test_killed_after_every_checkpoint(
    network: SensorStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    training: dict[str, Any],
    sparsity: dict[str, Any],
) -> None:
    job = job_of(network, scheme, training, **sparsity)
    undisturbed = whole(job, network, tmp_path / "whole")
    reports, lives = killed_after_every_checkpoint(job, network, tmp_path / "killed", monkeypatch)
    assert lives > 7
    assert facts(told_once(reports)) == facts(undisturbed)
    same_models(tmp_path / "whole", tmp_path / "killed")


def test_random_numbers_go_on_where_they_were(
    network: SensorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a backbone with dropout would draw them: one number a step."""
    job, drawn = job_of(network, "one_shot"), list[float]()
    step = Training._train_step

    def draw(training: Training, index: torch.Tensor) -> torch.Tensor:
        drawn.append(torch.rand(()).item())
        return step(training, index)

    monkeypatch.setattr(Training, "_train_step", draw)
    torch.manual_seed(5)
    whole(job, network, tmp_path / "whole")
    undisturbed = drawn.copy()
    drawn.clear()
    torch.manual_seed(5)
    killed_after_every_checkpoint(job, network, tmp_path / "killed", monkeypatch)
    assert drawn == undisturbed
    assert len(set(drawn)) == len(drawn)


def test_every_rank_has_its_own_random_numbers_back(tmp_path: Path) -> None:
    """A rank that was not there before keeps what it has."""
    states, drawn = list[torch.Tensor](), list[float]()
    for seed in range(2):
        torch.manual_seed(seed)
        states.append(torch.get_rng_state())
        drawn.append(torch.rand(()).item())
    checkpoints = Checkpoints(str(tmp_path), {})
    checkpoints.save(vars(RunState()) | {"told": "[]", "random": torch.stack(states)})
    for rank in range(2):
        ResumableRun(checkpoints, Recipe(), lambda report: None, World(rank, 2))
        assert torch.rand(()).item() == drawn[rank]
    own = torch.get_rng_state()
    ResumableRun(checkpoints, Recipe(), lambda report: None, World(2, 3))
    assert torch.equal(torch.get_rng_state(), own)


@pytest.mark.parametrize("after", [1, 6, 8, 13])
def test_killed_between_a_report_and_its_checkpoint(
    network: SensorStore, tmp_path: Path, after: int
) -> None:
    """That epoch is trained and reported once more.

    Of the reports, 6 is the first of the learned arm, 8 the one of a choice.
    """
    job, reports = job_of(network, "searched"), list[dict[str, Any]]()

    def tell(report: Report) -> None:
        reports.append(plain(report))
        if len(reports) == after:
            raise Killed

    with pytest.raises(Killed):
        run_job(job, network.path, tmp_path / "killed", tell)
    run_job(job, network.path, tmp_path / "killed", tell)
    assert facts(told_once(reports)) == facts(whole(job, network, tmp_path / "whole"))
    same_models(tmp_path / "whole", tmp_path / "killed")


def test_another_number_of_workers_goes_on(tmp_path: Path) -> None:
    """A step consists of the same shares, whoever they are dealt out to."""
    checkpoints = Checkpoints(str(tmp_path), {})
    checkpoints.save(
        vars(RunState()) | {"told": "[]", "random": torch.stack([torch.get_rng_state()] * 2)}
    )
    for world in (World(0, 1), World(1, 2), World(2, 3)):
        run = ResumableRun(checkpoints, Recipe(), lambda report: None, world)
        assert not run.state.arm


def test_a_model_that_was_told_is_never_touched_again(network: SensorStore, tmp_path: Path) -> None:
    """All arms are replayed, as after a death between report and checkpoint: MLflow may be reading
    what the first life left.
    """
    job = job_of(network, "one_shot")
    first = whole(job, network, tmp_path)
    weights = tmp_path / "models" / "dynst" / "weights.safetensors"
    file = weights.stat().st_ino
    shutil.rmtree(tmp_path / "checkpoints")
    again = whole(job, network, tmp_path)
    assert [report.get("artifact") for report in again] == [
        report.get("artifact") for report in first
    ]
    assert weights.stat().st_ino == file
    told = weights.parent / "model.json"
    told.write_bytes(told.read_bytes() + b" ")  # as if the replayed one came out otherwise
    shutil.rmtree(tmp_path / "checkpoints")
    otherwise = whole(job, network, tmp_path)
    assert [Path(report["artifact"]).name for report in otherwise if "artifact" in report] == [
        "dense",
        "dynst.2",
        "random-0",
    ]
    assert told.read_bytes().endswith(b" ")
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == [
        "dense",
        "dynst",
        "dynst.2",
        "random-0",
    ]


def test_a_job_that_is_done_trains_nothing_again(
    network: SensorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(network, "one_shot")
    first = whole(job, network, tmp_path)
    monkeypatch.setattr(
        worker.ResumableRun,
        "advance",
        lambda *_: pytest.fail("an arm that ended was trained again"),
    )
    assert facts(whole(job, network, tmp_path)) == facts(first)[-8:], (
        "the last reports may have been lost on their way"
    )


def test_a_damaged_checkpoint_costs_an_epoch_and_is_told(
    network: SensorStore, tmp_path: Path
) -> None:
    job, reports = job_of(network, "dynamic"), list[dict[str, Any]]()

    def tell(report: Report) -> None:
        reports.append(plain(report))
        if len(reports) == 4:
            raise Killed

    with pytest.raises(Killed):
        run_job(job, network.path, tmp_path / "killed", tell)
    newest = max((tmp_path / "killed" / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:-10])
    with log_of_run(tmp_path / "killed", "driver"):
        run_job(job, network.path, tmp_path / "killed", tell)
    log = (tmp_path / "killed" / "logs" / "driver.log").read_text()
    assert f"{newest.name} is damaged: its content is not what was written" in log
    assert "the one before it is tried" in log
    notes = [report["note"] for report in reports if "note" in report]
    assert len(notes) == 1
    assert f"{newest.name} is damaged" in notes[0]
    assert facts(told_once(reports)) == facts(whole(job, network, tmp_path / "whole"))


def test_another_job_or_other_data_are_refused_with_the_difference(
    network: SensorStore, tmp_path: Path
) -> None:
    whole(job_of(network, "one_shot"), network, tmp_path)
    other = job_of(network, "one_shot", {"epochs": 6}, final=0.25)
    with pytest.raises(
        CheckpointError,
        match=r"training\.epochs: 4 in the checkpoint, 6 in the job; sparsity\.final: 0\.5 in the",
    ):
        whole(other, network, tmp_path)
    elsewhere = job_of(network, "one_shot").model_copy(
        update={"cluster": job_of(network, "one_shot").cluster}
    )
    assert whole(elsewhere, network, tmp_path), "where it runs is no part of it"


def test_checkpoints_may_lie_behind_an_address(network: SensorStore, tmp_path: Path) -> None:
    address = (tmp_path / "bucket").as_uri()
    job = job_of(network, "one_shot").model_copy(
        update={"cluster": JobSpec.model_fields["cluster"].default}
    )
    job = job.model_copy(
        update={
            "cluster": job.cluster.model_copy(
                update={"checkpoints": address, "keep_checkpoints": 1}
            )
        }
    )
    whole(job, network, tmp_path / "run-7")
    names = sorted(path.name for path in (tmp_path / "bucket" / "run-7").iterdir())
    assert len(names) == 2
    assert names[1] == "best.ckpt"
    assert not (tmp_path / "run-7" / "checkpoints").exists()
