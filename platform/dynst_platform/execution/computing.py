"""What this process computes on: the GPU and the CPUs that Ray set aside for it, or, where Ray did
not start it, what it finds.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray
import torch

from dynst.devices import CPU, computing_on
from dynst_platform.config.job import UseGpu
from dynst_platform.errors import RunError

__all__ = ["computing_as_given", "computing_here", "device_here"]

logger = logging.getLogger(__name__)


def device_here(use_gpu: UseGpu) -> torch.device:
    """For work in a process that Ray did not start.

    Raises:
        RunError: a GPU is demanded, and PyTorch sees none.
    """
    found = None if use_gpu is False else _gpu()
    if use_gpu is True and found is None:
        raise RunError(
            "cluster.use_gpu must be auto or false where PyTorch sees no GPU, as here; change it, "
            "leave --gpu out, or see to the driver"
        )
    return found or CPU


@contextmanager
def computing_here(use_gpu: UseGpu) -> Iterator[torch.device]:
    """The block, in a process that Ray did not start, computes on a GPU where there is one.

    Raises:
        RunError: a GPU is demanded, and PyTorch sees none.
    """
    device = device_here(use_gpu)
    with computing_on(device):
        yield device


@contextmanager
def computing_as_given() -> Iterator[torch.device]:
    """The block, in a task, a trial or a worker, computes on what Ray set aside for it: its GPU,
    or no more of it than its fraction, and as many threads as CPUs.

    Raises:
        RunError: PyTorch does not see that GPU.
    """
    given = ray.get_runtime_context().get_assigned_resources()
    threads = max(1, int(given.get("CPU", 1)))
    torch.set_num_threads(threads)
    device = _given_device()
    logger.info("computes on %s, with %d threads for what is not on a GPU", device, threads)
    with computing_on(device, share=min(1.0, given.get("GPU", 1.0))):
        yield device


def _given_device() -> torch.device:
    """Ray shows a process its GPU alone, or, among the workers of a training, those of all that
    are on its node.
    """
    own = [str(number) for number in ray.get_gpu_ids()]
    if not own:
        return CPU
    shown = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    found = _gpu(shown.index(own[0]) if own[0] in shown else 0)
    if found is None:
        raise RunError(
            "PyTorch must see the GPU that Ray has set aside, but sees none on this node; see to "
            "the driver and to a PyTorch for CUDA, or train without (cluster.use_gpu false, "
            "resources.gpu 0)"
        )
    return found


def _gpu(number: int | None = None) -> torch.device | None:
    """One of those that PyTorch sees, by default the current one; None where it sees none."""
    if not torch.cuda.is_available():
        return None
    return torch.device("cuda", torch.cuda.current_device() if number is None else number)
