"""What a job will ask of a cluster."""

from pathlib import Path

import pytest

from dynst.data.store import SensorStore
from dynst_platform.commands.submit.capacity import capacity_of
from dynst_platform.config.arms import epochs_by_arm
from tests.dynst_platform.command_line import dynst_here
from tests.dynst_platform.commands.train.test_train import small_job
from tests.dynst_platform.commands.tune.samples import JOB, make_sweep


def test_a_training_on_two_workers(network: SensorStore) -> None:
    job = small_job(network, cluster={"num_workers": 2, "use_gpu": True})
    plan = capacity_of(job, network)
    assert (plan.groups, plan.workers, plan.cpus, plan.gpus) == (1, 2, 1, 1.0)
    assert plan.windows == 8, "half of a batch of 16"
    assert plan.steps == 6
    assert plan.epochs == sum(epochs_by_arm(job).values())
    steps, entries = network.manifest.num_steps, len(network.sensors)
    assert plan.series_mib == pytest.approx(steps * entries * 5 / 2**20), "float32 and a mask"
    assert plan.memory_mib > plan.series_mib
    least = plan.epochs * plan.steps * min(plan.dense_seconds, plan.learned_seconds) / 3600
    assert plan.hours > least > 0


def test_a_sweep_counts_the_shared_work_once(network: SensorStore) -> None:
    sweep = make_sweep(job=JOB | {"data": {"store": str(network.path)}}, trials=6, seeds=[0, 1])
    plan = capacity_of(sweep, network)
    assert plan.groups is None, "as many as fit"
    assert plan.epochs == 2 * (6 + 3 + 6 * 3), (
        "two seeds: dense, warm-up, and six trials from there"
    )
    assert capacity_of(sweep.model_copy(update={"at_once": 3}), network).groups == 3


def test_arms_of_a_job(network: SensorStore) -> None:
    job = small_job(network, references={"dense": True, "random": 2, "baselines": ["variance"]})
    shared = int(job.sparsity.start * 5)
    assert epochs_by_arm(job) == {
        "dense": 5,
        "dynst": 5,
        "random-0": 5 - shared,
        "random-1": 5 - shared,
        "variance": 5 - shared,
    }


def test_on_the_screen_before_any_cluster_is_known(network: SensorStore, tmp_path: Path) -> None:
    job = (
        f"name: small\ndata: {{store: {network.path}}}\nmodel: {{window: 6, horizon: 3, hidden: "
        f"16}}\n"
    )
    (tmp_path / "job.yaml").write_text(
        job + "training: {epochs: 4, steps_per_epoch: 5, batch_size: 16}\n"
    )
    done = dynst_here("submit", "job.yaml", "--plan", "--num-gpus", "4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "workers      4, with 1 CPU each, and 1 GPUs each" in done.stdout
    assert "measured on one core" in done.stdout
    assert "estimated from the step" in done.stdout
    assert "not counted" in done.stdout
