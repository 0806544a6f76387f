"""How many workers a job asks Ray for, on a cluster and on a Ray of our own."""

from typing import Any

import pytest

from dynst.data.store import SensorStore
from dynst_platform.execution import launch
from tests.dynst_platform.commands.train.test_train import small_job


@pytest.mark.parametrize(
    ("cluster", "gpus", "expected"),
    [
        ({"num_workers": 2, "address": "auto"}, 0, (2, 0)),
        ({"num_workers": [1, 4], "address": "auto"}, 0, ((1, 4), 0)),
        (
            {"num_workers": [2, 4], "address": "auto"},
            1,
            ((1, 4), 1),
        ),  # no worker waits for a GPU that will not come
        (
            {"num_workers": [2, 4], "address": "auto", "use_gpu": True},
            0,
            ((2, 4), 1),
        ),  # but the cluster may grow
        ({"num_workers": [1, 2]}, 1, (1, 1)),
    ],
)
def test_workers_and_their_gpus(
    cluster: dict[str, Any],
    gpus: int,
    expected: tuple[Any, int],
    network: SensorStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(launch.ray, "cluster_resources", lambda: {"GPU": float(gpus)})
    monkeypatch.setattr(launch, "usable_workers", lambda job: job.cluster.most_workers)
    shape = launch._group_of(small_job(network, cluster=cluster))
    assert (shape.num_workers, shape.gpu) == expected
