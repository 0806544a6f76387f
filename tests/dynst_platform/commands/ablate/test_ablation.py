"""``dynst ablate``: a training for each variant, kept for the next call."""

from pathlib import Path

import pandas as pd
import pytest

from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst_platform.commands.ablate.workflow import AblationOutcome, ablate
from dynst_platform.config.files import check_job
from dynst_platform.config.job import JobSpec
from dynst_platform.config.locations import home
from dynst_platform.config.stores import ablation_store_for
from tests.conftest import SMALL

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"
)


def job(store: SensorStore, **ablation: object) -> JobSpec:
    document = {
        "name": "crossed",
        "data": {"store": str(store.path)},
        "model": {"window": 6, "horizon": 3, "hidden": 16, "backbone": SMALL, "embedding": 4},
        "training": {"epochs": 3, "steps_per_epoch": 6, "batch_size": 16},
        "sparsity": {"dropout": False, "probe_every": 1, "rounds": 3},
        "search": {"elimination_rounds": 1, "rounds": 1, "proposals": 2},
        "ablation": {
            "schemes": ["dynamic", "searched"],
            "criteria": ["random"],
            "sparsities": [0.5],
            "seeds": [0],
        }
        | ablation,
        "cluster": {"num_workers": 0},
    }
    return check_job(document, where="job")


def run(spec: JobSpec) -> tuple[AblationOutcome, list[str]]:
    done: list[str] = []
    outcome = ablate(spec, ablation_store_for(spec), lambda name, count, total: done.append(name))
    return outcome, done


@pytest.mark.usefixtures("tracked_home")
def test_each_variant_is_trained_once_and_kept(network: SensorStore) -> None:
    outcome, done = run(job(network))
    assert sorted(done) == ["seed-0/dense", "seed-0/dynamic-random-0.5", "seed-0/searched-none-0.5"]
    assert {(row["scheme"], row["criterion"], row["seeds"]) for row in outcome.variants} == {
        ("dynamic", "random", 1),
        ("searched", "none", 1),
    }
    assert all(
        row["over_dense"] == pytest.approx(row["mae_all"] / outcome.references["dense"] - 1)
        for row in outcome.variants
    )
    rows = pd.read_parquet(Path(outcome.artifacts["folder"]) / "ablation.parquet")
    assert (rows.active.dropna().str.count(r"\|") + 1 == 4).all(), "half of eight sensors"
    assert Path(outcome.artifacts["picture"]).is_file()

    tasks = {path: path.stat().st_mtime_ns for path in (home() / "crossed" / "pieces").glob("*/*")}
    again, _ = run(job(network, seeds=[0, 1]))
    after = {path: path.stat().st_mtime_ns for path in (home() / "crossed" / "pieces").glob("*/*")}
    assert tasks.items() <= after.items()
    assert len(after) == 2 * len(tasks)
    assert all(0 <= row["overlap"] <= 1 for row in again.variants)


def test_an_impossible_variant_is_refused_before_the_first_training(
    own_home: Path, network: SensorStore
) -> None:
    spec = job(network, sparsities=[0.5, 0.9])
    crowded = spec.model_copy(
        update={"sparsity": spec.sparsity.model_copy(update={"pinned": ("s1", "s2")})}
    )
    with pytest.raises(ConfigError, match="pinned"):
        ablation_store_for(crowded)
    assert not (home() / "crossed").exists()
