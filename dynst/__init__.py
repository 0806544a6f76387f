"""DynST: learn which sensors of a network can be switched off, together with the forecaster that
does without them.

Shapes in this package: B batch, T window, H horizon, S sensors, K active sensors, C channels, D
hidden width.

Example:
    >>> import dynst  # doctest: +SKIP
    >>> store = dynst.open_store("store")  # doctest: +SKIP
    >>> experiment = dynst.Experiment(store, dynst.ExperimentConfig())  # doctest: +SKIP
    >>> arm = dynst.train(experiment, experiment.learned())  # doctest: +SKIP
    >>> dynst.evaluate(experiment, arm).errors.mae()  # doctest: +SKIP
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dynst.data.edges import Edges
    from dynst.data.importers.import_store import import_store
    from dynst.data.sensor_table import Sensors
    from dynst.data.store import SensorStore, open_store
    from dynst.data.writer import StoreWriter
    from dynst.errors import ArtifactError, CheckpointError, ConfigError, DataError, DynstError
    from dynst.evaluation.error_table import ErrorTable
    from dynst.experiment.arms import Arm, ArmKind
    from dynst.experiment.config import ExperimentConfig
    from dynst.experiment.experiment import Experiment
    from dynst.experiment.protocol import Evaluation, evaluate, save_arm, train
    from dynst.experiment.supernet import Supernet
    from dynst.models.artifact import Artifact, load_artifact
    from dynst.models.factory import ModelConfig
    from dynst.selection.search import SearchConfig
    from dynst.sparsity.config import SparsityConfig
    from dynst.training.config import Recipe

logging.getLogger(__name__).addHandler(logging.NullHandler())

__version__ = "0.1.0"
__all__ = [
    "Arm",
    "ArmKind",
    "Artifact",
    "ArtifactError",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DynstError",
    "Edges",
    "ErrorTable",
    "Evaluation",
    "Experiment",
    "ExperimentConfig",
    "ModelConfig",
    "Recipe",
    "SearchConfig",
    "SensorStore",
    "Sensors",
    "SparsityConfig",
    "StoreWriter",
    "Supernet",
    "__version__",
    "evaluate",
    "import_store",
    "load_artifact",
    "open_store",
    "save_arm",
    "train",
]

_MODULES = {
    "data.edges": ("Edges",),
    "data.importers.import_store": ("import_store",),
    "data.sensor_table": ("Sensors",),
    "data.store": ("SensorStore", "open_store"),
    "data.writer": ("StoreWriter",),
    "errors": ("ArtifactError", "CheckpointError", "ConfigError", "DataError", "DynstError"),
    "evaluation.error_table": ("ErrorTable",),
    "experiment.arms": ("Arm", "ArmKind"),
    "experiment.config": ("ExperimentConfig",),
    "experiment.experiment": ("Experiment",),
    "experiment.protocol": ("Evaluation", "evaluate", "save_arm", "train"),
    "experiment.supernet": ("Supernet",),
    "models.artifact": ("Artifact", "load_artifact"),
    "models.factory": ("ModelConfig",),
    "selection.search": ("SearchConfig",),
    "sparsity.config": ("SparsityConfig",),
    "training.config": ("Recipe",),
}
_WHERE = {name: f"dynst.{module}" for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Imported when asked for: ``dynst --help`` must not wait for PyTorch."""
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'dynst' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
