"""Forward and backward passes that are compiled once for each shape, in few shapes."""

import logging
from typing import Literal

import torch
from torch import Tensor, nn

from dynst.compat import compiled_in_fixed_shapes
from dynst.data.windows import ForecastInputs
from dynst.devices import all_random_states_kept
from dynst.distributed.world import World
from dynst.errors import in_one_line
from dynst.models.forecaster import SparseForecaster
from dynst.training.amp import Arithmetic

__all__ = ["Compile", "CompiledForward", "in_few_sizes", "is_worth_compiling"]

Compile = bool | Literal["auto"]
BACKEND = "inductor"
LONG = 10_000  # steps of a training that may pay for minutes of compilation
SIZES = 8  # that a changing number of sensors is rounded up to
logger = logging.getLogger(__name__)


def is_worth_compiling(asked: Compile, device: torch.device, parts: int, total_steps: int) -> bool:
    """Whether a training's steps are to be compiled.

    Each part of a cut network has sizes of its own, so there they are not.

    Args:
        asked: ``auto`` compiles long trainings on a GPU.
        device: that computes.
        parts: of the network.
        total_steps: of the training.
    """
    if parts > 1:
        if asked is True:
            logger.warning("steps are not compiled: each part of a cut network has its own sizes")
        return False
    return (device.type == "cuda" and total_steps >= LONG) if asked == "auto" else asked


def in_few_sizes(
    index: Tensor, gates: Tensor | None, num_sensors: int
) -> tuple[Tensor, Tensor | None]:
    """The same sensors among a number of them that is one of ``SIZES``.

    Those that are added have gates of 0, so that nothing else changes: gated on a superset is
    compact on the active set (decision 2). All sensors without gates stay as they are.

    Args:
        index: ``[K]`` of all sensors, in main memory.
        gates: ``[K]``, anywhere; None means all 1.
        num_sensors: of the network.

    Returns:
        Index ``[K']`` and gates ``[K']``, K' ≥ K; the first K are the given ones.
    """
    if gates is None and len(index) == num_sensors:
        return index, None
    unit = -(-num_sensors // SIZES)
    size = min(num_sensors, -(-len(index) // unit) * unit)
    absent = torch.ones(num_sensors, dtype=torch.bool)
    absent[index] = False
    more = absent.nonzero().squeeze(1)[: size - len(index)]
    if gates is None:
        gates = torch.ones(len(index))
    return torch.cat([index, more]), torch.cat([gates, gates.new_zeros(len(more))])


class CompiledForward(nn.Module):
    """A forecaster whose calls are compiled where that is wanted and works.

    It has the forecaster's weights under a name of its own and is never saved. Evaluation asks the
    forecaster itself, and compiles nothing.

    Args:
        model: the forecaster.
        world: the ranks, which compile or give up together.
        wanted: compile.
    """

    def __init__(self, model: SparseForecaster, world: World, wanted: bool) -> None:
        super().__init__()
        self.model, self._world = model, world
        self._compiled = compiled_in_fixed_shapes(model, BACKEND) if wanted else None
        self._tried = set[tuple[int, bool, bool]]()

    @property
    def is_on(self) -> bool:
        return self._compiled is not None

    def forward(self, inputs: ForecastInputs) -> Tensor:
        forecast: Tensor = (self.model if self._compiled is None else self._compiled)(inputs)
        return forecast

    def try_out(self, inputs: ForecastInputs, arithmetic: Arithmetic) -> None:
        """Compile a shape that is new, before a step relies on it.

        Where that fails on any rank, nothing is compiled from then on. Ranks meet new shapes at the
        same steps. Weights, gradients, statistics and random numbers stay as they are.
        """
        gates = inputs.gates
        shape = (
            inputs.readings.shape[2],
            gates is not None,
            gates is not None and gates.requires_grad,
        )
        if self._compiled is None or shape in self._tried:
            return
        self._tried.add(shape)
        why = self._failure(inputs, arithmetic)
        if self._world.all_reduce(torch.tensor(float(bool(why)))) > 0:
            self._compiled = None
            logger.warning(
                "steps are not compiled from here on: %s", why or "it failed in another worker"
            )

    def _failure(self, inputs: ForecastInputs, arithmetic: Arithmetic) -> str:
        assert self._compiled is not None
        buffers = [(buffer, buffer.clone()) for buffer in self.model.buffers()]
        weights = [each for each in self.model.parameters() if each.requires_grad]
        try:
            with all_random_states_kept(self._world.device):
                with arithmetic.forward():
                    forecast = self._compiled(inputs)
                torch.autograd.grad(forecast.float().sum(), weights, allow_unused=True)
        except Exception as error:  # whatever a compiler raises
            return in_one_line(error)[:300]
        finally:
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)
        return ""
