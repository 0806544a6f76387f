"""A trial is a training with overrides: the same figures as ``dynst train`` gives, whether its
warm-up was shared or not.
"""

from pathlib import Path
from typing import Any

import pytest
import torch

from dynst.data.store import SensorStore
from dynst.errors import DivergedError
from dynst_platform.commands.tune.reports import TrialReport, TrialResult
from dynst_platform.commands.tune.trial import Trial
from dynst_platform.commands.tune.warm_up import warm_up_task
from dynst_platform.config.job import JobSpec
from dynst_platform.execution.worker import run_job
from tests.dynst_platform.commands.train.test_train import small_job
from tests.dynst_platform.reports import plain


def job_of(network: SensorStore, **sparsity: Any) -> JobSpec:
    shares = {"final": 0.5, "start": 0.4, "stop": 0.7, "rounds": 2, "probe_every": 1}
    references = {"dense": False, "random": 0}
    search = {"elimination_rounds": 1, "rounds": 1, "proposals": 2}
    return small_job(network, sparsity=shares | sparsity, references=references, search=search)


def run(trial: Trial, folder: Path) -> tuple[list[TrialReport], TrialResult]:
    epochs, result = list(trial.epochs()), trial.result(folder / "model")
    assert result is not None
    return epochs, result


@pytest.mark.parametrize("scheme", ["dynamic", "searched"])
@pytest.mark.parametrize("shared", [True, False])
def test_a_trial_gives_what_a_training_gives(
    network: SensorStore, tmp_path: Path, scheme: str, shared: bool
) -> None:
    job = job_of(network, scheme=scheme)
    said: list[dict[str, Any]] = []
    run_job(job, network.path, tmp_path / "run", lambda report: said.append(plain(report)))
    epochs, result = run(Trial([job], str(network.path), tmp_path if shared else None), tmp_path)
    after = [report for report in said if report["kind"] == "epoch"][
        2:
    ]  # two of five epochs are warm-up
    assert [report.mae_all for report in epochs] == [report["val_mae"] for report in after]
    assert result.active == said[-1]["active"]
    assert result.metrics["test/mae_all"] == said[-1]["metrics"]["test/mae_all"]
    assert result.objectives["sparsity"] == 0.5
    assert result.objectives["cost"] == 4
    assert epochs[-1].steps == (3 if shared else 5) * 6, "without a warm-up that others use too"
    assert (tmp_path / "model" / "weights.safetensors").exists()


def test_the_clock_of_a_trial_begins_when_its_mask_is_final(
    network: SensorStore, tmp_path: Path
) -> None:
    early, late = (
        list(Trial([job_of(network, stop=stop)], str(network.path), tmp_path).epochs())
        for stop in (0.5, 0.9)
    )
    assert [figures.settled for figures in early] == [1, 2, 3]
    assert [figures.settled for figures in late] == [0, 0, 1]


def test_trials_share_a_warm_up_whatever_follows_it(network: SensorStore, tmp_path: Path) -> None:
    searched = job_of(network, scheme="searched")
    jobs = [
        job_of(network),
        job_of(network, final=0.25, criterion="random"),
        searched.model_copy(
            update={"search": searched.search.model_copy(update={"withhold": False})}
        ),
    ]
    assert warm_up_task(searched, network).folder != warm_up_task(jobs[0], network).folder, (
        "its warm-up withholds blocks of time"
    )
    assert len({warm_up_task(job, network).folder for job in jobs}) == 1
    for job in jobs:
        Trial([job], str(network.path), tmp_path)
    assert len(list((tmp_path / "seed-0").parent.rglob("state.pt"))) == 1
    assert (
        warm_up_task(job_of(network, start=0.6, stop=0.8), network).folder
        != warm_up_task(jobs[0], network).folder
    )
    assert (
        warm_up_task(jobs[0].model_copy(update={"seed": 1}), network).folder
        != warm_up_task(jobs[0], network).folder
    )


def test_figures_are_means_over_seeds(network: SensorStore, tmp_path: Path) -> None:
    jobs = [job_of(network).model_copy(update={"seed": seed}) for seed in (0, 1)]
    alone = [run(Trial([job], str(network.path), tmp_path), tmp_path) for job in jobs]
    together, result = run(Trial(jobs, str(network.path), tmp_path), tmp_path)
    for figures, first, second in zip(together, alone[0][0], alone[1][0], strict=True):
        assert figures.mae_all == pytest.approx((first.mae_all + second.mae_all) / 2)
    assert result.active == alone[0][1].active, "whose model is kept"
    assert together[-1].steps == 2 * alone[0][0][-1].steps


@pytest.mark.parametrize("scheme", ["dynamic", "searched"])
def test_a_trial_goes_on_where_another_has_come_to(
    network: SensorStore, tmp_path: Path, scheme: str
) -> None:
    job = job_of(network, scheme=scheme)
    first = Trial([job], str(network.path), tmp_path)
    reported = first.epochs()
    next(reported)
    state = first.state_dict()
    second = Trial([job], str(network.path), tmp_path, states=state)
    assert list(second.epochs()) == list(reported)
    assert run(second, tmp_path / "2")[1].active == run(first, tmp_path / "1")[1].active
    assert all(isinstance(value, dict) for value in state)
    torch.save(state, tmp_path / "state.pt")
    torch.load(tmp_path / "state.pt", weights_only=True)


def test_an_error_that_is_no_number_ends_the_trial(network: SensorStore, tmp_path: Path) -> None:
    job = job_of(network)
    wild = job.model_copy(
        update={
            "training": job.training.model_copy(update={"learning_rate": 1e30, "clip_norm": 1e30})
        }
    )
    with pytest.raises(DivergedError, match=r"after epoch \d: .* lower training\.learning_rate"):
        list(Trial([wild], str(network.path), None).epochs())
