"""Sweeps and records for the tests beside this file."""

from pathlib import Path
from typing import Any

import yaml

from dynst_platform.commands.tune.records import Record
from dynst_platform.config.sweep import SweepSpec
from tests.conftest import SMALL

JOB = {
    "name": "base",
    "data": {"store": "somewhere"},
    "model": {"window": 6, "horizon": 3, "hidden": 16, "backbone": SMALL, "embedding": 4},
    "training": {"epochs": 6, "steps_per_epoch": 4, "batch_size": 16},
    "sparsity": {"start": 0.5, "stop": 0.8, "rounds": 2, "probe_every": 1},
    "cluster": {"num_workers": 0},
}
SPACE = {
    "sparsity.final": {"uniform": [0.2, 0.7]},
    "sparsity.criterion": {"choice": ["signed_first_order", "absolute_gradient"]},
}


def make_sweep(**changes: Any) -> SweepSpec:
    return SweepSpec.model_validate(
        {"name": "sweep", "job": JOB, "space": SPACE, "searcher": "random", "trials": 6} | changes
    )


def write_sweep(folder: Path, **changes: Any) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump({"name": "sweep", "job": JOB, "space": SPACE} | changes))
    return path


def finished(number: int, error: float, sparsity: float, **overrides: Any) -> Record:
    return Record(
        number,
        overrides,
        "finished",
        objectives={"mae_all": error, "sparsity": sparsity, "cost": 1.0, "latency_ms": 1.0},
    )
