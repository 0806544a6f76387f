"""Who gets a GPU, without one."""

from collections.abc import Callable, Iterator

import pytest
import ray
import torch
from pydantic import ValidationError

from dynst.devices import CPU, current_device
from dynst_platform.config.job import ClusterSpec
from dynst_platform.config.sweep import Resources
from dynst_platform.errors import RunError
from dynst_platform.execution.computing import computing_as_given, device_here
from dynst_platform.execution.gpus import TaskShape, UseGpu, gpus_of_task, workers_on_gpus
from dynst_platform.execution.local_ray import check_cpus


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


@pytest.mark.parametrize(
    ("use_gpu", "found", "grows", "expected"),
    [("auto", 0, True, 0), ("auto", 1, False, 0.25), (True, 0, True, 0.25), (False, 1, False, 0)],
)
def test_tasks_share_a_gpu_or_take_none(
    use_gpu: UseGpu, found: int, grows: bool, expected: float
) -> None:
    assert gpus_of_task(TaskShape(1, 0.25, use_gpu), found, grows) == expected


def test_a_task_demands_no_gpu_that_is_absent() -> None:
    with pytest.raises(RunError, match=r"in a sweep resources\.gpu 0, where Ray sees no GPU"):
        gpus_of_task(TaskShape.of_sweep(Resources(gpu=0.25)), 0)
    assert gpus_of_task(TaskShape.of_sweep(Resources()), 1) == 0


@pytest.mark.parametrize(
    ("resources", "sentence"),
    [
        ({"gpu": 1.5}, "but got 1.5 with 1 workers"),
        ({"gpu": 0.5, "workers": 2}, "but got 0.5 with 2 workers"),
        ({"gpu": 0.001}, "must be 0 or at least 0.01"),
    ],
)
def test_what_cannot_be_set_aside_is_refused(resources: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Resources.model_validate(resources)
    assert Resources(gpu=0.25).gpu == 0.25
    assert Resources(gpu=2, workers=2).gpu == 2


def test_more_cpus_than_there_are_is_one_sentence() -> None:
    with pytest.raises(RunError, match=r"cluster\.cpus_per_worker, .* is 1000; lower it"):
        check_cpus(1000)
    check_cpus(1)


class Given:
    """What Ray set aside for this process."""

    def __init__(self, **resources: float) -> None:
        self.resources = resources

    def get_assigned_resources(self) -> dict[str, float]:
        return self.resources


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    threads = torch.get_num_threads()

    def give(numbers: list[int | str], shown: str, **resources: float) -> None:
        monkeypatch.setattr(ray, "get_runtime_context", lambda: Given(**resources))
        monkeypatch.setattr(ray, "get_gpu_ids", lambda: numbers)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)

    yield give
    torch.set_num_threads(threads)


def test_threads_are_the_cpus_that_ray_gives(given: Callable[..., None]) -> None:
    for cpus, threads in ((1.0, 1), (3.0, 3), (0.5, 1)):
        given([], "", CPU=cpus)
        with computing_as_given() as device:
            assert (device, torch.get_num_threads()) == (CPU, threads)


def test_a_gpu_that_ray_gives_and_pytorch_does_not_see_is_one_sentence(
    given: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    given([0], "0", CPU=1.0, GPU=0.25)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RunError, match="PyTorch must see the GPU"), computing_as_given():
        pass


@pytest.mark.parametrize(
    ("numbers", "shown", "index"),
    [([0], "0", 0), ([3], "3", 0), ([2], "0,2", 1), (["GPU-b"], "GPU-a,GPU-b", 1)],
)
def test_a_worker_takes_its_own_gpu_and_no_more_of_it_than_its_share(
    given: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    numbers: list[int | str],
    shown: str,
    index: int,
) -> None:
    """No GPU is there: what PyTorch would be asked is written down."""
    given(numbers, shown, CPU=1.0, GPU=0.25)
    asked = dict[str, object]()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: asked.update(device=device))
    monkeypatch.setattr(
        torch.cuda,
        "set_per_process_memory_fraction",
        lambda share, device: asked.update(share=share, of=device),
    )
    before, own = torch.backends.cudnn.allow_tf32, torch.device("cuda", index)
    with computing_as_given() as device:
        assert device == current_device() == own
        assert not torch.backends.cudnn.allow_tf32
    assert asked == {"device": own, "share": 0.25, "of": own}
    assert torch.backends.cudnn.allow_tf32 == before
    assert current_device() == CPU
