"""How often MLflow is called: on a real tracking store, counted.

A slow server is only as slow as this allows.
"""

from collections import Counter
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore
from dynst_platform.commands.train import workflow as use_case
from tests.dynst_platform.commands.train.test_train import small_job

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"),
    pytest.mark.usefixtures("tracked_home", "quick_pictures"),
]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    found: Counter[str] = Counter()
    for name in [
        name
        for name in vars(MlflowClient)
        if not name.startswith("_") and callable(getattr(MlflowClient, name))
    ]:
        monkeypatch.setattr(MlflowClient, name, _counted(name, getattr(MlflowClient, name), found))
    return found


def _counted(name: str, method: Any, found: Counter[str]) -> Any:
    def call(*arguments: Any, **named: Any) -> Any:
        found[name] += 1
        return method(*arguments, **named)

    return call


def test_an_epoch_costs_one_call(calls: Counter[str], network: SensorStore) -> None:
    """Ten epochs more, with as many changes of the mask, are ten batches of figures more, and
    nothing else.
    """
    seen = []
    for epochs in (3, 13):
        calls.clear()
        settings = {
            "training": {"epochs": epochs, "steps_per_epoch": 4, "batch_size": 16},
            "references": {"dense": True, "random": 0},
        }
        job = small_job(
            network, **settings, sparsity={"final": 0.5, "scheme": "one_shot", "probe_every": 1}
        )
        use_case.train(job, network, lambda report: None)
        seen.append(Counter(calls))
    assert seen[1] - seen[0] == Counter(log_batch=2 * 10), "two arms"
    assert sum(seen[0].values()) <= 50
