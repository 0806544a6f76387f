"""Which workers of a job compute on a GPU."""

import torch

from dynst.devices import CPU
from dynst_platform.config.job import UseGpu
from dynst_platform.errors import RunError

__all__ = ["device_here", "workers_on_gpus"]


def device_here(use_gpu: UseGpu) -> torch.device:
    """For a job in the calling process.

    Raises:
        RunError: a GPU is demanded, and PyTorch sees none.
    """
    if use_gpu is not False and torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    if use_gpu is True:
        raise RunError(
            "cluster.use_gpu must be auto or false where PyTorch sees no GPU, as here; change it, "
            "or see to the driver"
        )
    return CPU


def workers_on_gpus(
    asked: int, use_gpu: UseGpu, found: int, grows: bool = False
) -> tuple[int, int]:
    """How many workers, and how many GPUs for each: one or none.

    No worker waits for a GPU that will not come.

    Args:
        found: GPUs of the cluster as it stands.
        grows: it may get more where more are asked for, as a cluster that scales itself does.

    Raises:
        RunError: a GPU is demanded, and there is none.
    """
    if use_gpu is False or (use_gpu == "auto" and not found):
        return asked, 0
    if use_gpu is True and grows:
        return asked, 1
    if not found:
        raise RunError(
            "cluster.use_gpu must be auto or false where Ray sees no GPU, as here; change it, or "
            "see to the driver"
        )
    return min(asked, found), 1
