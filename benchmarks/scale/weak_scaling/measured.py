"""Steps of real workers over gloo: what each call sends and how long it takes.

The clock of the calls is the machine's, the same for all processes. So waiting for the slower
worker is separated from sending.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.multiprocessing.spawn import spawn

from dynst.data.store import open_store
from dynst.distributed.world import World
from dynst.experiment.config import ExperimentConfig
from dynst.experiment.experiment import Experiment
from dynst.models.factory import LOCATION_BLOCKS, ModelConfig
from dynst.sparsity.config import SparsityConfig
from dynst.sparsity.scheme import StepSensors
from dynst.training.config import Recipe
from dynst.training.partition_sampler import StepKind, within

__all__ = [
    "ENTRIES",
    "GRADIENTS",
    "HALO",
    "IMPORTANCE",
    "KINDS",
    "MODEL",
    "PROBE_EVERY",
    "ROWS",
    "WEIGHTS",
    "Step",
    "recipe_for",
    "series_length",
    "spent",
    "trained",
]

# what such a large network has by default, also of four sensors whose bytes are counted
MODEL = ModelConfig(window=12, horizon=3, location_blocks=LOCATION_BLOCKS, kriging=False)
TRAINING_SHARE, SHORTEST = 0.7, 160  # of a series, by default; time steps of one
HALO = 2  # as far as the default job sees
PROBE_EVERY = 2  # every other step is a probe
PRUNED, FIRST, LAST = 6, 8, 2  # after this step half are off; first and last steps do not count
COMPUTE, REST, WAITING = "forward, backward", "optimizer, choice", "waiting"
ROWS, GRADIENTS, ENTRIES, WEIGHTS, IMPORTANCE = (
    "rows fetched",
    "gradients back",
    "entries",
    "shared weights, norm",
    "importance",
)


@dataclass(frozen=True)
class Call:
    """One collective call of a worker.

    Args:
        sent, received: bytes to and from other workers; of a sum, those that are summed.
    """

    kind: str
    sent: int
    received: int
    start: float
    end: float


@dataclass(frozen=True)
class Step:
    """One training step of a worker, from its batch until the next step's.

    Args:
        number: of the step.
        read: sensors that are read.
        left: when its gradients were there.
        processor: seconds that the worker computed.
    """

    number: int
    is_probe: bool
    read: int
    start: float
    left: float
    end: float
    processor: float
    calls: tuple[Call, ...]

    @classmethod
    def of(cls, fields: dict[str, Any]) -> "Step":
        return cls(**fields | {"calls": tuple(Call(**call) for call in fields["calls"])})


@dataclass(frozen=True)
class RecordingWorld(World):
    """Writes down each call with several workers."""

    calls: list[Call] = field(default_factory=list)

    def all_to_all(self, values: Sequence[Tensor], sizes: Sequence[int]) -> list[Tensor]:
        start = perf_counter()
        found = super().all_to_all(values, sizes)
        sent, received = (
            sum(value.nbytes for rank, value in enumerate(each) if rank != self.rank)
            for each in (values, found)
        )
        kind = GRADIENTS if any(call.kind == ROWS for call in self.calls) else ROWS
        self.calls.append(Call(kind, sent, received, start, perf_counter()))
        return found

    def all_reduce(self, value: Tensor) -> Tensor:
        start = perf_counter()
        found = super().all_reduce(value)
        kind = {0: ENTRIES, 1: WEIGHTS, 2: IMPORTANCE}.get(value.dim())  # else of the validation
        if self.size > 1 and kind is not None:
            self.calls.append(Call(kind, value.nbytes, value.nbytes, start, perf_counter()))
        return found


def series_length(recipe: Recipe) -> int:
    """Time steps whose training part has windows enough, and whose validation part has some."""
    assert recipe.steps_per_epoch is not None
    windows = recipe.steps_per_epoch * recipe.batch_size + MODEL.window + MODEL.horizon
    return max(SHORTEST, ceil(windows / TRAINING_SHARE) + 1)


def recipe_for(workers: int, parts: int, windows: int, pairs: int = 1) -> Recipe:
    """A worker has so many parts, and in a step one of them and so many windows.

    Of each kind of step there are ``pairs`` that count.
    """
    return Recipe(
        epochs=1,
        steps_per_epoch=FIRST + PROBE_EVERY * pairs + LAST,
        batch_size=workers * windows,
        parts=parts * workers,
        parts_per_step=workers,
        halo=HALO,
    )


def trained(store: Path, seed: int, recipe: Recipe, workers: int) -> list[list[Step]]:
    """The steps of each worker, those left out that come before half of the sensors are off."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        spawn(_on_rank, (folder, store, seed, recipe, workers), nprocs=workers)
        texts = [(folder / f"{rank}.json").read_text() for rank in range(workers)]
    return [[Step.of(fields) for fields in json.loads(text)] for text in texts]


def _on_rank(rank: int, folder: Path, store: Path, seed: int, recipe: Recipe, workers: int) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{folder}/rendezvous"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=workers)
    steps = _steps(store, seed, recipe, RecordingWorld(rank, workers))
    (folder / f"{rank}.json").write_text(json.dumps([asdict(step) for step in steps]))
    dist.destroy_process_group()


def _steps(store: Path, seed: int, recipe: Recipe, world: RecordingWorld) -> list[Step]:
    config = ExperimentConfig(model=MODEL, training=recipe, sparsity=_sparsity(recipe), seed=seed)
    training = Experiment(open_store(store), config, world).learned().training
    rotation = training.rotation
    found = list[dict[str, Any]]()

    @contextmanager
    def recorded(sensors: StepSensors) -> Iterator[None]:
        if found:
            found[-1] |= {"end": perf_counter(), "processor": process_time() - found[-1]["began"]}
            del found[-1]["began"]
        probe = sensors.gates is not None
        turn = training.step // PROBE_EVERY if probe else training.step
        numbers = rotation.numbers_at(turn, StepKind.PROBES if probe else StepKind.TRAINING)
        own = [within(sensors, part) for part in rotation.mine(numbers)]
        world.calls.clear()
        start, began = perf_counter(), process_time()
        yield
        found.append(
            {
                "number": training.step,
                "is_probe": probe,
                "read": sum(len(part.index) for part in own),
                "start": start,
                "began": began,
                "left": perf_counter(),
                "calls": tuple(world.calls),
            }
        )

    training.batch_context = recorded
    list(training.run())
    return [Step(**step) for step in found[FIRST:-LAST]]


def _sparsity(recipe: Recipe) -> SparsityConfig:
    """Half of the sensors go at once, when each part was measured, and probes go on to the end."""
    assert recipe.steps_per_epoch is not None
    return SparsityConfig(
        scheme="iterative",
        final=0.5,
        start=(PRUNED + 0.5) / recipe.steps_per_epoch,
        stop=1 - 0.5 / recipe.steps_per_epoch,
        rounds=1,
        dropout=False,
        probe_every=PROBE_EVERY,
    )


def spent(steps: Sequence[Step]) -> dict[str, float]:
    """Of one step of all workers, the mean worker's seconds by what they were spent on.

    A call counts from when its last worker has come to it; before that is waiting. Other work on
    the exchange counts with the call that it comes before or after.
    """
    seconds = dict.fromkeys(KINDS, 0.0)
    arrivals = [
        max(calls, key=_start).start for calls in zip(*(s.calls for s in steps), strict=True)
    ]
    for step in steps:
        at, last = step.start, None
        for call, arrival in zip(step.calls, arrivals, strict=True):
            seconds[_between(last, call.kind)] += call.start - at
            seconds[WAITING] += arrival - call.start
            seconds[call.kind] += call.end - arrival
            at, last = call.end, call.kind
        seconds[_between(last, None)] += step.left - at
        seconds[REST] += step.end - step.left
    return {kind: value / len(steps) for kind, value in seconds.items()}


def _between(before: str | None, after: str | None) -> str:
    """What is worked on between two calls."""
    if before == IMPORTANCE or after == IMPORTANCE:
        return IMPORTANCE
    if before in (GRADIENTS, WEIGHTS):
        return before
    return ROWS if after == ROWS else COMPUTE


def _start(call: Call) -> float:
    return call.start


KINDS = (COMPUTE, ROWS, GRADIENTS, ENTRIES, WEIGHTS, IMPORTANCE, WAITING, REST)
