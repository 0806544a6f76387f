"""Who gets a GPU, without one."""

import pytest
import torch

from dynst_platform.config.job import ClusterSpec
from dynst_platform.errors import RunError
from dynst_platform.execution.computing import device_here
from dynst_platform.execution.gpus import UseGpu, workers_on_gpus


@pytest.mark.parametrize(
    ("use_gpu", "found", "grows", "expected"),
    [
        ("auto", 0, False, (4, 0)),
        ("auto", 1, False, (1, 1)),
        ("auto", 8, True, (4, 1)),
        (True, 2, False, (2, 1)),
        (True, 0, True, (4, 1)),
        (False, 8, False, (4, 0)),
    ],
)
def test_each_worker_has_a_gpu_or_none_has(
    use_gpu: UseGpu, found: int, grows: bool, expected: tuple[int, int]
) -> None:
    assert workers_on_gpus(4, use_gpu, found, grows) == expected


def test_a_gpu_that_is_demanded_and_absent_is_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match=r"cluster\.use_gpu must be auto or false"):
        workers_on_gpus(2, True, 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_here("auto") == device_here(False) == torch.device("cpu")
    with pytest.raises(RunError, match=r"cluster\.use_gpu must be auto or false"):
        device_here(True)


@pytest.mark.parametrize("value", ["auto", True, False])
def test_a_job_file_says_it(value: UseGpu) -> None:
    assert ClusterSpec.model_validate({"use_gpu": value}).use_gpu == value
