"""Which trainings a job consists of."""

from dynst_platform.config.job import JobSpec

__all__ = ["BEST_RULE", "epochs_by_arm", "shared_epochs"]

BEST_RULE = "best_rule"  # the arm on the choice that the search's was held against


def shared_epochs(job: JobSpec) -> int:
    """Of the warm-up, which all arms but the dense one have in common."""
    return int(job.sparsity.start * job.training.epochs)


def epochs_by_arm(job: JobSpec) -> dict[str, int]:
    """To train, in this order; the learned arm trains the warm-up for all."""
    epochs = job.training.epochs
    others = [f"random-{number}" for number in range(job.references.random)] + list(
        job.references.baselines
    )
    others += [BEST_RULE] if job.trains_best_rule else []
    others += ["given"] if job.references.given is not None else []
    first = {"dense": epochs} if job.references.dense else {}
    return first | {"dynst": epochs} | dict.fromkeys(others, epochs - shared_epochs(job))
