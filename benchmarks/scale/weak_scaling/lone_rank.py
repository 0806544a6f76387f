"""What a worker does for the exchange by itself, whatever the network between the workers: one
process plays one of n workers, and its calls are answered at once, by zeros.

It has the rows of its own parts and halos as a training has them, and the product's code chooses
the parts, packs the rows and adds the gradients up. Nothing is forecast.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from benchmarks.scale.weak_scaling.halo_counts import CutCounts
from benchmarks.scale.weak_scaling.measured import MODEL
from benchmarks.support.stopwatch import by_clock
from dynst.data.edges import Edges
from dynst.data.partition import Subgraph
from dynst.data.scaler import SEASONS, SeasonalScaler
from dynst.distributed.world import World
from dynst.models.by_parts import ForecasterByParts
from dynst.models.factory import build_forecaster
from dynst.models.sensor_rows import sensor_rows
from dynst.sparsity.config import SparsityConfig, make_scheme
from dynst.sparsity.scheme import Scheme, StepSensors
from dynst.training.partition_sampler import PartitionSampler, StepKind, within
from dynst.training.row_exchange import RowExchange
from dynst.training.step_shares import StepShares

__all__ = ["AnsweringWorld", "OwnWork", "lone_rank", "row_bytes", "shared_bytes"]

PLANNED = 1_000  # steps that the scheme is made for; none of them is trained


class AnsweringWorld(World):
    """One of several ranks whose others send zeros at once."""

    def all_to_all(self, values: Sequence[Tensor], sizes: Sequence[int]) -> list[Tensor]:
        return [
            value.new_zeros(size, value.shape[1]) for value, size in zip(values, sizes, strict=True)
        ]

    def all_reduce(self, value: Tensor) -> Tensor:
        return value


@dataclass(frozen=True)
class OwnWork:
    """Of one worker of n, medians.

    Args:
        ordinary, probe: seconds of a step's work on the exchange and on the choice of its sensors.
        held: sensors whose rows it has.
        held_bytes: of its weights and of what else it has of its sensors.
    """

    ordinary: float
    probe: float
    held: int
    held_bytes: int


def lone_rank(
    parts: Sequence[Subgraph], edges: Edges, shares: int, seed: int, repeats: int
) -> OwnWork:
    """The worker with the most rows to fetch, of as many as there are ``shares``."""
    count = sum(len(part.locations) for part in parts)
    one = StepShares(shares, (0,))
    counts = CutCounts(parts, count, one, shares)
    rank = int(counts.rows(range(len(parts))).fetched.argmax())
    world, own = AnsweringWorld(rank, shares), StepShares(shares, (rank,))
    rotation = PartitionSampler(parts, count, seed, world, own)
    mine = [parts[number] for number in own.parts_of(rank, len(parts))]
    model = _model(mine, edges, count)
    exchange = None
    if shares > 1:
        rows = sensor_rows(MODEL, 1, [0])
        exchange = RowExchange(model, rows, parts, own, world)
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    scheme = _half_off(count, seed)

    def step(turn: int, probe: bool) -> None:
        sensors = scheme.sensors_at(0 if probe else 1)
        kind = StepKind.PROBES if probe else StepKind.TRAINING
        numbers = rotation.numbers_at(turn, kind)
        here = [within(sensors, part, count) for part in rotation.mine(numbers)]
        if exchange is not None:
            exchange.fetch(numbers)
            exchange.reduce()
        if probe:
            _measured(scheme, rotation, sensors, here)

    ordinary, probes = (
        median(by_clock(_call(step, turn, probe)) for turn in range(repeats))
        for probe in (False, True)
    )
    tensors = [*model.model.parameters(), *model.model.buffers()]
    assert model.held is not None
    held_bytes = sum(tensor.nbytes for tensor in tensors)
    return OwnWork(ordinary, probes, len(model.held), held_bytes)


def row_bytes() -> int:
    """Of one sensor's rows in all tensors that have them, as they are sent."""
    model = _model([Subgraph(torch.arange(4), torch.arange(4))], Edges.none(), 4)
    rows = sensor_rows(MODEL, 1, [0])
    return sum(
        weight.nbytes // weight.shape[rows[name]]
        for name, weight in model.model.named_parameters()
        if name in rows
    )


def shared_bytes() -> int:
    """Of the gradients of all other weights, and of the norm for clipping."""
    model = _model([Subgraph(torch.arange(4), torch.arange(4))], Edges.none(), 4)
    rows = sensor_rows(MODEL, 1, [0])
    named = model.model.named_parameters()
    return 4 + sum(weight.nbytes for name, weight in named if name not in rows)


def _model(parts: Sequence[Subgraph], edges: Edges, count: int) -> ForecasterByParts:
    """With the rows of these parts' sensors, which begin as zeros."""
    held = torch.cat([part.sensors for part in parts]).unique()
    scaler = SeasonalScaler(SEASONS["none"], count, 1)
    zeros = torch.zeros(1, MODEL.embedding).expand(count, -1)
    model = build_forecaster(
        MODEL, scaler, edges, targets=[0], seed=0, node_embedding=zeros, sensors=held
    )
    return ForecasterByParts(model, parts, count, held)


def _half_off(count: int, seed: int) -> Scheme:
    """Probes at even steps; which half is on is a random choice."""
    settings = SparsityConfig(
        scheme="iterative", final=0.5, start=0.1, stop=0.9, dropout=False, probe_every=2
    )
    scheme = make_scheme(settings, count, PLANNED, seed)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    scheme.active[order[: count // 2]] = False
    return scheme


def _measured(
    scheme: Scheme, rotation: PartitionSampler, sensors: StepSensors, here: list[StepSensors]
) -> None:
    gradients = [torch.zeros(len(part.index)) for part in here]
    scheme.observe(sensors, rotation.together(here, gradients)[sensors.index])


def _call(step: Callable[[int, bool], None], turn: int, probe: bool) -> Callable[[], None]:
    return lambda: step(turn, probe)
