"""Which settings of a job make two trainings the same but for their seeds."""

from collections.abc import Mapping

__all__ = ["OF_NO_TRAINING", "OF_TRAININGS", "training_settings"]

OF_TRAININGS = (
    "data.patch",
    "data.season",
    "data.split",
    "data.targets",
    "model",
    "search",
    "sparsity",
    "training",
)
"""Settings, or how their keys begin, that change what a training gives. So do the readings, which a
digest stands for and not the address of their store."""

OF_NO_TRAINING = (
    "ablation",
    "cluster",
    "curve",
    "data.store",
    "name",
    "promotion",
    "references",
    "seed",
    "training.checkpoint_every",
    "training.compile",
)
"""All others. ``cluster.num_workers`` counts where an earlier DynST wrote no
``training.parts_per_step``: it then changed what a step trained on.
"""

WORKERS = "cluster.num_workers"


def training_settings(params: Mapping[str, str]) -> dict[str, str]:
    """Those of a run's parameters that change what its training gives, its seed aside.

    Args:
        params: by dotted key, as MLflow keeps them.
    """
    return {key: value for key, value in params.items() if _counts(key, params)}


def _counts(key: str, params: Mapping[str, str]) -> bool:
    if key == WORKERS:
        whole = (
            params.get("training.sharding", "windows") == "windows"
            and params.get("training.parts", "1") == "1"
        )
        return not whole and "training.parts_per_step" not in params
    return _is_of(key, OF_TRAININGS) and not _is_of(key, OF_NO_TRAINING)


def _is_of(key: str, settings: tuple[str, ...]) -> bool:
    return any(key == each or key.startswith(f"{each}.") for each in settings)
