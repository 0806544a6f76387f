"""What a worker does for the exchange by itself, whatever the network between the workers: one
process plays one of n workers, and its calls are answered at once, by zeros.

It has the rows of its own parts and halos as a training has them, and the product's code chooses
the parts, packs the rows and adds the gradients up. Nothing is forecast.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import torch
from torch import Tensor

from benchmarks.scale.weak_scaling.halo_counts import CutCounts
from benchmarks.scale.weak_scaling.measured import MODEL
from benchmarks.support.stopwatch import of_processor, processor_time
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
    """Of one worker of n, medians of the processor's seconds.

    Args:
        choice: of a step's parts and of the sensors that they read.
        fetch: of rows.
        reduce: of gradients.
        importance: what a probe adds: one vector of all sensors, read by the scheme.
        held: sensors whose rows it has.
        held_bytes: of its weights and of what else it has of its sensors.
    """

    choice: float
    fetch: float
    reduce: float
    importance: float
    held: int
    held_bytes: int

    def seconds(self, probe: bool) -> float:
        """Of a step."""
        return self.choice + self.fetch + self.reduce + (self.importance if probe else 0.0)


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

    spent: dict[str, list[float]] = {"choice": [], "fetch": [], "reduce": [], "importance": []}
    for turn in range(repeats):
        choose = partial(_chosen, scheme, rotation, turn)
        seconds, (sensors, numbers, here) = processor_time(choose)
        spent["choice"].append(seconds)
        if exchange is not None:
            spent["fetch"].append(of_processor(partial(exchange.fetch, numbers)))
            spent["reduce"].append(of_processor(exchange.reduce))
        spent["importance"].append(
            of_processor(partial(_measured, scheme, rotation, sensors, here))
        )
    tensors = [*model.model.parameters(), *model.model.buffers()]
    assert model.held is not None
    return OwnWork(
        **{name: median(seconds or [0.0]) for name, seconds in spent.items()},
        held=len(model.held),
        held_bytes=sum(tensor.nbytes for tensor in tensors),
    )


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


def _chosen(
    scheme: Scheme, rotation: PartitionSampler, turn: int
) -> tuple[StepSensors, list[int], list[StepSensors]]:
    """Of a probe, which reads all sensors: these, the parts of all workers, and its own sensors."""
    sensors, numbers = scheme.sensors_at(0), rotation.numbers_at(turn, StepKind.PROBES)
    own = rotation.mine(numbers)
    return sensors, numbers, [within(sensors, part) for part in own]


def _measured(
    scheme: Scheme, rotation: PartitionSampler, sensors: StepSensors, here: list[StepSensors]
) -> None:
    gradients = [torch.zeros(len(part.index)) for part in here]
    scheme.observe(sensors, rotation.together(here, gradients)[sensors.index])
