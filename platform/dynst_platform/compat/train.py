"""Ray Train: a trainer that starts no process that nobody needs, and leaves Ctrl-C alone.

The controller imports this module in a process of its own.
"""

from typing import Any

from ray.train.v2._internal.callbacks import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

__all__ = ["FixedGroup", "LeanTrainer"]


class FixedGroup(FixedScalingPolicy):  # type: ignore[misc]  # ray has no types
    """Asks no autoscaler for nodes, where there is none: an actor less, which the group would wait
    for.
    """

    def after_controller_start(self, train_run_context: Any) -> None: ...

    def _maybe_send_resource_request(self) -> None: ...


class LeanTrainer(DataParallelTrainer):  # type: ignore[misc]
    """Each actor of Ray Train's is a process that imports Ray Train, seconds on a busy machine.

    None serves Ray's data sets, which we do not use. Where Ray is ours ``alone``, and ends with
    this process, none asks for nodes either, or frees what a controller that died has left.
    """

    def __init__(self, *arguments: Any, alone: bool = False, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._alone = alone

    def _create_default_callbacks(self) -> list[Any]:
        unused = (DatasetsCallback, *([PlacementGroupCleanerCallback] if self._alone else []))
        callbacks = super()._create_default_callbacks()
        return [callback for callback in callbacks if not isinstance(callback, unused)]

    def _initialize_and_run_controller(self, **named: Any) -> Any:
        if self._alone and not self.scaling_config.elasticity_enabled:
            named["scaling_policy"] = FixedGroup(self.scaling_config)
        return super()._initialize_and_run_controller(**named)

    def _register_sigint_handler(self, controller: Any) -> None:
        """Ctrl-C ends a training as every other signal does: Ray Train's own handler waits for its
        controller without end, and exits the process.
        """
