"""Which workers of a job, and which tasks of a study, compute on a GPU."""

from dataclasses import dataclass

from dynst_platform.config.job import ClusterSpec, UseGpu
from dynst_platform.config.sweep import Resources
from dynst_platform.errors import RunError

__all__ = ["TaskShape", "gpus_of_task", "workers_on_gpus"]


@dataclass(frozen=True)
class TaskShape:
    """What each task takes of the cluster.

    Args:
        cpu: of them, and as many threads.
        gpu: of one; of a fraction several tasks share one.
        use_gpu: whether it takes that: where there is one, always, or never.
    """

    cpu: float = 1
    gpu: float = 1
    use_gpu: UseGpu = "auto"

    @classmethod
    def of_job(cls, cluster: ClusterSpec) -> "TaskShape":
        """Of the tasks of ``curve`` and ``ablate``."""
        return cls(cluster.cpus_per_worker, cluster.gpus_per_task, cluster.use_gpu)

    @classmethod
    def of_sweep(cls, each: Resources) -> "TaskShape":
        """Of what a sweep does beside its trials, which takes what a worker of a trial does."""
        return cls(each.cpu, each.gpu, use_gpu=each.gpu > 0)


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
    if not _on_gpus(use_gpu, found, grows):
        return asked, 0
    return asked if use_gpu is True and grows else min(asked, found), 1


def gpus_of_task(each: TaskShape, found: int, grows: bool = False) -> float:
    """How much of a GPU each task takes; Ray lets those wait that find none free.

    Args:
        found: GPUs of the cluster as it stands.
        grows: as for workers.

    Raises:
        RunError: a GPU is demanded, and there is none.
    """
    return each.gpu if _on_gpus(each.use_gpu, found, grows) else 0


def _on_gpus(use_gpu: UseGpu, found: int, grows: bool) -> bool:
    if use_gpu is True and not found and not grows:
        raise RunError(
            "cluster.use_gpu must be auto or false, and in a sweep resources.gpu 0, where Ray sees "
            "no GPU, as here; change it, or see to the driver"
        )
    return use_gpu is True or (use_gpu == "auto" and found > 0)
