"""The state of a training on a cut network in two: what all workers have alike, and the rows of
each share's sensors, so that any number of workers can go on from it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dynst.errors import CheckpointError
from dynst.models.by_parts import ForecasterByParts
from dynst.models.sensor_rows import SensorRows, weights_of

__all__ = ["RowStates", "ShareStates"]

ShareStates = dict[str, dict[str, Tensor]]
"""Of each share, by its number, the rows of its sensors in each tensor of the state."""

Tensors = dict[Any, Any]
SENSORS = "sensors"  # of a share, in the network's numbers, beside their rows
NONE = torch.empty(0, dtype=torch.int64)


class RowStates:
    """Cuts the rows out of a training's state, and puts them in again.

    A tensor is named by where it lies: ``model/<weight>``, ``best/<weight>``,
    ``optimizer/<weight>/<average>``.

    Args:
        model: this rank's.
        rows: which of its tensors have a row for each sensor.
        sensors: of each share, by its number: ``[N]`` ascending, in the network's numbers.
        mine: numbers of this rank's shares.
    """

    def __init__(
        self,
        model: ForecasterByParts,
        rows: SensorRows,
        sensors: Sequence[Tensor],
        mine: Sequence[int],
    ) -> None:
        self._model, self._rows = model, rows
        self._sensors = {share: sensors[share] for share in mine}
        self._places = {share: model.numbers(own) for share, own in self._sensors.items()}
        self._weights = [name for name, _ in model.model.named_parameters()]
        self._learned = frozenset(weights_of(model.model))

    def split(self, state: Tensors) -> ShareStates:
        """Take the rows out of ``state``, which is in main memory, and what readings gave."""
        rows: dict[str, tuple[Tensor, int]] = {}
        for where, weights in self._holders(state):
            for name in weights.keys() - self._learned:
                del weights[name]
            for name in weights.keys() & self._rows.keys():
                rows[f"{where}/{name}"] = weights.pop(name), self._rows[name]
        for name, averages in self._averages(state):
            for key in [key for key, value in averages.items() if value.dim()]:
                rows[f"optimizer/{name}/{key}"] = averages.pop(key), self._rows[name]
        return {
            str(share): {SENSORS: self._sensors[share]}
            | {name: values.index_select(dim, place) for name, (values, dim) in rows.items()}
            for share, place in self._places.items()
        }

    def join(self, state: Tensors, shares: ShareStates) -> None:
        """Put the rows of this rank's shares into ``state`` again, and what readings gave.

        Rows of other ranks' sensors are 0 until they are fetched.

        Raises:
            CheckpointError: the shares are of a network that was cut in another way.
        """
        own = {share: dict(shares[str(share)]) for share in self._places}
        for share, sensors in self._sensors.items():
            if not torch.equal(own[share].pop(SENSORS, NONE), sensors):
                raise CheckpointError(
                    f"share {share} of the checkpoint must have the sensors that it has here, but "
                    f"the network was cut in another way; resume with the DynST that wrote it, or "
                    f"start the job anew"
                )
        holders, averages = dict(self._holders(state)), dict(self._averages(state))
        for path, some in next(iter(own.values())).items():
            where, name, *key = path.split("/")
            dim, shape = self._rows[name], list(some.shape)
            shape[dim] = self._num_held
            whole = some.new_zeros(shape)
            for share, place in self._places.items():
                whole.index_copy_(dim, place, own[share][path])
            (averages[name] if key else holders[where])[key[0] if key else name] = whole
        for weights in holders.values():
            weights.update(self._from_readings())

    def restrict(self, state: Tensors) -> None:
        """Of a state whose tensors have rows of all sensors, those that this rank holds."""
        held = self._model.held
        if held is None:
            return
        for _, weights in self._holders(state):
            for name in weights.keys() & self._rows.keys():
                weights[name] = weights[name].index_select(self._rows[name], held)
            weights.update(self._from_readings())
        for name, averages in self._averages(state):
            for key in [key for key, value in averages.items() if value.dim()]:
                averages[key] = averages[key].index_select(self._rows[name], held)

    @property
    def _num_held(self) -> int:
        model = self._model
        return model.shape.num_sensors if model.held is None else len(model.held)

    def _from_readings(self) -> dict[str, Tensor]:
        state: Mapping[str, Tensor] = self._model.state_dict()
        return {name: value for name, value in state.items() if name not in self._learned}

    def _holders(self, state: Tensors) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """Where a state has the weights of a whole model."""
        yield "model", state["model"]
        if state["best"] is not None:
            yield "best", state["best"][1]
        if state["rewound_to"]:
            yield "rewound_to", state["rewound_to"]

    def _averages(self, state: Tensors) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """What the optimizer keeps of each tensor with rows."""
        for number, averages in state["optimizer"]["state"].items():
            if self._weights[number] in self._rows:
                yield self._weights[number], averages
