"""Sweep files: what is refused before the first trial starts, in one sentence."""

from pathlib import Path
from typing import Any

import pytest

from dynst.errors import ConfigError
from dynst_platform.config.files import dump_spec, load_sweep
from tests.dynst_platform.commands.tune.samples import SPACE, write_sweep

SWEEPS = Path(__file__).parents[3] / "jobs" / "sweeps"


@pytest.mark.parametrize("path", sorted(SWEEPS.glob("*.yaml")), ids=lambda path: path.stem)
def test_golden_sweeps_are_valid_and_survive_a_round_trip(path: Path, tmp_path: Path) -> None:
    sweep = load_sweep(path)
    (tmp_path / "resolved.yaml").write_text(dump_spec(sweep))
    assert load_sweep(tmp_path / "resolved.yaml") == sweep


def test_settings_of_the_base_job_are_replaced(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, set={"training.epochs": 7})
    assert load_sweep(path).job["training"]["epochs"] == 7
    assert load_sweep(path, ["job.seed=4", "trials=3"]).job["seed"] == 4


POPULATION: dict[str, Any] = {
    "scheduler": "pbt",
    "searcher": "random",
    "objectives": ["mae_all"],
    "space": {"sparsity.drop_fraction": {"uniform": [0.1, 0.5]}},
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"space": {"sparsity.finl": {"choice": [0.5]}}},
            "space: sparsity.finl: unknown key 'sparsity.finl'; did you mean 'final'?",
        ),
        (
            {"space": {"sparsity.final": {"uniform": [0.2, 1.5]}}},
            "'sparsity.final' must be less than 1, but got 1.5",
        ),
        ({"space": {"sparsity.scheme": {"choice": ["dynamic", "magic"]}}}, "but got 'magic'"),
        (
            {"space": {"training.epochs": {"uniform": [1.5, 2.5]}}},
            "'training.epochs' must be an integer",
        ),
        (
            {"space": {"sparsity.final": {"uniform": [0.5, 0.2]}}},
            "must be [low, high] with low below high",
        ),
        (
            {"space": {"sparsity.final": {"uniform": [0.2, 0.5], "choice": [1]}}},
            "but got uniform and choice",
        ),
        (
            {"space": {"sparsity.final": {}}},
            "must have one of uniform, loguniform, int, choice, grid, but got none",
        ),
        (
            {"space": {"training.learning_rate": {"loguniform": [0, 1]}}},
            "loguniform must be above 0",
        ),
        ({"space": {"sparsity.final": {"unifrom": [0.2, 0.5]}}}, "did you mean 'uniform'?"),
        ({"space": {}}, "'space' must"),
        ({"searcher": "grid"}, "searcher grid crosses lists, but sparsity.final has a range"),
        ({"scheduler": "asha"}, "objectives must be [mae_all]"),
        (
            POPULATION | {"space": SPACE},
            "scheduler pbt changes rates in flight, so the space may have training.learning_rate, ",
        ),
        (POPULATION | {"searcher": "tpe"}, "scheduler pbt needs all its trials at the start"),
        (POPULATION | {"at_once": 2}, "leave at_once out"),
        (
            POPULATION | {"resources": {"workers": 2}},
            "needs trials of one worker, but got resources.workers 2",
        ),
        (
            {"space": {"seed": {"int": [0, 3]}}},
            "the space may have keys of data.targets, data.season, data.split, model, training",
        ),
        (
            {"space": {"sparsity.final": {"choice": [0.5], "when": {"seed": []}}}},
            "when must name at least one value",
        ),
        (
            {"space": {"training.epochs": {"uniform": [5, 10]}}},
            "'training.epochs' must be an integer",
        ),
        ({"trails": 5}, "unknown key 'trails'; did you mean 'trials'?"),
        ({"seeds": [1, 1]}, "'seeds' must name each entry once"),
        ({"job": "absent.yaml"}, "no job file at"),
        ({"job": {"name": "x"}}, "'data' is required"),
        (
            {
                "space": {
                    "sparsity.coverage": {"choice": [0], "when": {"sparsity.scheme": "dynamic"}},
                    "sparsity.scheme": {"choice": ["dynamic"]},
                }
            },
            "sparsity.coverage depends on sparsity.scheme, which must stand before it",
        ),
    ],
)
def test_a_wrong_sweep_is_one_clear_sentence(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_sweep(write_sweep(tmp_path, **changes))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
