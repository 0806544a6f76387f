"""A user's own network: named in a job, trained, logged with its code, loaded where its folder is
unknown.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst_platform.commands.train import workflow as use_case
from dynst_platform.config.files import check_job
from dynst_platform.config.job import JobSpec
from dynst_platform.config.stores import store_for

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"
)

NETWORK = """
from torch import nn


class MyNet(nn.Module):
    def __init__(self, window, horizon, num_sensors, width: int = 16):
        super().__init__()
        self.mix = nn.Linear(num_sensors, num_sensors)
        self.ahead = nn.Sequential(nn.Linear(window, width), nn.ReLU(), nn.Linear(width, horizon))

    def forward(self, readings):  # [B, T, S, C] to [B, H, S, C]
        signals = readings.movedim(1, -1)  # [B, S, C, T]
        signals = signals + self.mix(signals.transpose(1, -1)).transpose(1, -1)
        return self.ahead(signals).movedim(-1, 1)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user's module lies, and can be imported from."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "my_net.py").write_text(NETWORK, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    return tmp_path / "code"


def job(network: SensorStore, backbone: object) -> JobSpec:
    return check_job(
        {
            "name": "own",
            "data": {"store": str(network.path)},
            "model": {"backbone": backbone, "window": 6, "horizon": 3, "hidden": 16},
            "training": {"epochs": 4, "steps_per_epoch": 10, "batch_size": 16},
            "sparsity": {"final": 0.5, "rounds": 2},
            "references": {"dense": True, "random": 0},
            "cluster": {"num_workers": 0},
        }
    )


@pytest.mark.process
def test_it_trains_and_its_model_brings_its_code(
    folder: Path, network: SensorStore, tracked_home: Path
) -> None:
    spec = job(network, {"name": "my_net:MyNet", "options": {"width": 8}})
    outcome = use_case.train(spec, store_for(spec), lambda report: None)
    assert outcome.sensors["active"] == 4
    assert outcome.efficiency["readings_ratio"] == 2
    code = (
        "import mlflow, sys\n"
        f"mlflow.set_tracking_uri('{outcome.artifacts['tracking_uri']}')\n"
        f"model = mlflow.pyfunc.load_model('{outcome.artifacts['model']}')\n"
        "print(model.predict(model.input_example).shape)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tracked_home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip().endswith("(3, 9)"), done.stderr


def test_where_it_cannot_be_found_the_job_is_refused(network: SensorStore) -> None:
    with pytest.raises(
        ConfigError, match=r"'nowhere_net:MyNet' cannot be imported .* put its folder on PYTHONPATH"
    ):
        job(network, "nowhere_net:MyNet")
