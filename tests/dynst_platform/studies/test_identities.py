"""What is made anew after costs, groups or marks of a store were replaced, and what is not."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dynst.data.decisions import replace_decisions
from dynst.data.store import SensorStore, open_store
from dynst_platform.commands.ablate.tasks import ablation_tasks
from dynst_platform.commands.curve.tasks import curve_tasks
from dynst_platform.commands.tune.warm_up import warm_up_task
from dynst_platform.config.experiment import experiment_of
from dynst_platform.config.files import check_job
from dynst_platform.config.job import JobSpec
from dynst_platform.execution.worker import checkpoints_of
from dynst_platform.studies.references import dense_task
from tests.damage import as_of_version


@pytest.fixture
def store(network: SensorStore, tmp_path: Path) -> SensorStore:
    return open_store(shutil.copytree(network.path, tmp_path / "store"))


@pytest.fixture
def job(store: SensorStore) -> JobSpec:
    model = {"window": 6, "horizon": 3, "hidden": 8, "embedding": 2}
    return check_job({"name": "small", "data": {"store": str(store.path)}, "model": model})


def dearer(store: SensorStore) -> SensorStore:
    return replace_decisions(store.path, replace(store.sensors, cost=2 * store.sensors.cost))


def marked(store: SensorStore) -> SensorStore:
    excluded = np.arange(len(store.sensors)) == 2
    return replace_decisions(store.path, replace(store.sensors, excluded=excluded))


def folders(job: JobSpec, store: SensorStore) -> dict[str, str]:
    """Where each kind of work is kept."""
    seed = job.curve.seeds[0]
    curve = {task.name: task.folder for task in curve_tasks(job, store)}
    (choice, *_) = (folder for name, folder in curve.items() if "/dynst-" in name)
    (ablated, *_) = (
        task.folder for task in ablation_tasks(job, store) if not task.name.endswith("dense")
    )
    return {
        "dense": dense_task(job, store, 0, 3).folder,
        "warm-up": warm_up_task(job, store).folder,
        "supernet": curve[f"seed-{seed}/shared"],
        "choice": choice,
        "ablation": ablated,
    }


def test_new_costs_are_new_choices_and_nothing_else(job: JobSpec, store: SensorStore) -> None:
    before, after = folders(job, store), folders(job, dearer(store))
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"choice", "ablation"}


def test_new_marks_are_new_warm_ups_too(job: JobSpec, store: SensorStore) -> None:
    before, after = folders(job, store), folders(job, marked(store))
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"warm-up", "supernet", "choice", "ablation"}


def test_a_checkpoint_belongs_to_its_costs(
    job: JobSpec, store: SensorStore, tmp_path: Path
) -> None:
    before, after = (checkpoints_of(job, each, tmp_path) for each in (store, dearer(store)))
    assert before.spec != after.spec
    as_of_version(2, store.path)
    old = checkpoints_of(job, open_store(store.path), tmp_path).spec
    written = {key: value for key, value in old.items() if key != "decisions_digest"}
    assert after._upgraded(written) == after.spec, "the same content by the rule of then"
    assert before._upgraded(written) == before.spec | {
        "data_digest": written["data_digest"],
        "decisions_digest": "",
    }


def test_a_process_scales_once_and_sees_new_costs(job: JobSpec, store: SensorStore) -> None:
    first = experiment_of(job, store.path)
    assert experiment_of(job, store.path).dataset is first.dataset
    dearer(store)
    network = experiment_of(job, store.path).dataset.network
    assert network.sensors.cost.tolist() == [2.0] * 8
