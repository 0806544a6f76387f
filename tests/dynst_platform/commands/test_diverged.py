"""``train``, ``curve`` and ``ablate`` where a training diverges: a failure with its reason, and
nothing that could be promoted.
"""

from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore
from dynst.errors import DivergedError
from dynst_platform.commands.ablate.workflow import ablate
from dynst_platform.commands.curve.workflow import curve
from dynst_platform.commands.train import workflow as training
from dynst_platform.config.files import check_job
from dynst_platform.config.job import JobSpec
from dynst_platform.config.locations import tracking_uri
from dynst_platform.config.stores import ablation_store_for, store_for
from dynst_platform.errors import RunError
from tests.conftest import SMALL

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"
)
REASON = "the training has diverged; lower training.learning_rate"


@pytest.fixture
def job(network: SensorStore) -> JobSpec:
    return check_job(
        {
            "name": "diverged",
            "data": {"store": str(network.path)},
            "model": {"window": 6, "horizon": 3, "hidden": 16, "backbone": SMALL, "embedding": 4},
            "training": {
                "epochs": 2,
                "steps_per_epoch": 4,
                "batch_size": 16,
                "learning_rate": 1e30,
            },
            "sparsity": {"scheme": "dynamic", "rounds": 2, "probe_every": 1},
            "references": {"dense": False, "random": 0},
            "curve": {"sparsities": [0.5], "baselines": ["variance"], "random": 1},
            "ablation": {"schemes": ["dynamic"], "criteria": ["random"], "sparsities": [0.5]},
            "cluster": {"num_workers": 0},
        }
    )


def runs() -> list[tuple[str, str, bool]]:
    """Status, reason and whether there is a model, of each run."""
    client = MlflowClient(tracking_uri())
    experiment = client.get_experiment_by_name("diverged")
    found = client.search_runs([experiment.experiment_id]) if experiment else []
    return [
        (
            run.info.status,
            run.data.tags.get("dynst.reason", ""),
            bool(run.outputs and run.outputs.model_outputs),
        )
        for run in found
    ]


def test_a_training_fails_with_the_reason_and_without_a_model(
    job: JobSpec, tracked_home: Path
) -> None:
    with pytest.raises(DivergedError, match=REASON):
        training.train(job, store_for(job), lambda report: None)
    ((status, reason, has_model),) = runs()
    assert (status, has_model) == ("FAILED", False)
    assert REASON in reason


@pytest.mark.parametrize("study", ["curve", "ablate"])
def test_a_study_names_the_task_that_diverged(job: JobSpec, tracked_home: Path, study: str) -> None:
    run, store = {
        "curve": (curve, store_for(job)),
        "ablate": (ablate, ablation_store_for(job)),
    }[study]
    with pytest.raises(RunError, match=REASON):
        run(job, store, lambda *done: None)
    assert not any(has_model or status == "FINISHED" for status, _, has_model in runs())
