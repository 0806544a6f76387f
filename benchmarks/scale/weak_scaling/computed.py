"""The networks of many workers, really made and cut, and what their steps send."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from benchmarks.scale.weak_scaling.halo_counts import CutCounts, Rows
from benchmarks.scale.weak_scaling.lone_rank import OwnWork, lone_rank, row_bytes, shared_bytes
from benchmarks.scale.weak_scaling.measured import (
    ENTRIES,
    GRADIENTS,
    IMPORTANCE,
    MODEL,
    PROBE_EVERY,
    ROWS,
    WEIGHTS,
    Step,
    recipe_for,
)
from benchmarks.scale.weak_scaling.simulation import StepLoad
from dynst.data.partition import Subgraph
from dynst.data.store import open_store
from dynst.data.synthetic import write_synthetic_field
from dynst.distributed.world import World
from dynst.experiment.dataset import parts_of
from dynst.sparsity.constraints.sensor_layout import network_of
from dynst.training.partition_sampler import PartitionSampler, StepKind
from dynst.training.step_shares import StepShares

__all__ = ["LargeCut", "differing", "expected_calls", "large_cut"]

TURNS = 8  # steps that are counted
REPEATS = 8  # of the work that is timed
ENTRY_BYTES, IMPORTANCE_BYTES = 4, 8  # of a count; of each sensor of the network


@dataclass(frozen=True)
class LargeCut:
    """A network that so many workers share out.

    Args:
        rotation: which parts are at work in a step.
        counts: rows of a step.
        row_bytes: of a sensor.
        shared_bytes: of all other weights and the norm.
        own: what a worker does for the exchange by itself.
    """

    workers: int
    num_sensors: int
    parts: Sequence[Subgraph]
    rotation: PartitionSampler
    counts: CutCounts
    row_bytes: int
    shared_bytes: int
    own: OwnWork

    @property
    def importance_bytes(self) -> int:
        return IMPORTANCE_BYTES * self.num_sensors

    def rows(self, turn: int, kind: StepKind) -> Rows:
        return self.counts.rows(self.rotation.numbers_at(turn, kind))

    def some_rows(self) -> list[Rows]:
        """Of the first steps of a training."""
        return [self.rows(turn, StepKind.TRAINING) for turn in range(TURNS)]

    def load(self, probe: bool) -> StepLoad:
        """Of a step; half of the sensors are off, and a probe reads them all."""
        steps = self.some_rows()
        read = np.mean([step.read for step in steps], axis=0) / (1 if probe else 2)
        if self.workers == 1:
            return StepLoad(read.tolist())
        rows = fmean(max(step.fetched.max(), step.lent.max()) for step in steps) * self.row_bytes
        sums = [ENTRY_BYTES, self.shared_bytes, *([self.importance_bytes] if probe else [])]
        return StepLoad(read.tolist(), [rows, rows], sums, self.own.seconds(probe))


def large_cut(folder: Path, workers: int, options: Namespace) -> LargeCut:
    """Of ``options.sensors`` for each worker, with the first seed, and by the product's code."""
    store, seed = folder / f"cut-{workers}", options.seeds[0]
    write_synthetic_field(store, workers * options.sensors, 2, seed=seed)
    opened = open_store(store)
    recipe = recipe_for(workers, options.parts, options.windows)
    parts = parts_of(network_of(opened), MODEL, opened.edges, recipe)
    count, shares = len(opened.sensors), StepShares(workers, (0,))
    return LargeCut(
        workers,
        count,
        parts,
        PartitionSampler(parts, count, seed, World(), shares),
        CutCounts(parts, count, shares, workers),
        row_bytes(),
        shared_bytes(),
        lone_rank(parts, opened.edges, workers, seed, REPEATS),
    )


def expected_calls(cut: LargeCut, number: int, probe: bool) -> list[list[tuple[str, int, int]]]:
    """Of each worker in a training step: kind, bytes sent and received of each call, in order."""
    turn = number // PROBE_EVERY if probe else number
    rows = cut.rows(turn, StepKind.PROBES if probe else StepKind.TRAINING)
    sums = {WEIGHTS: cut.shared_bytes} | ({IMPORTANCE: cut.importance_bytes} if probe else {})
    found = []
    for fetched, lent in zip(rows.fetched.tolist(), rows.lent.tolist(), strict=True):
        to, of = lent * cut.row_bytes, fetched * cut.row_bytes
        found.append(
            [
                (ROWS, to, of),
                (ENTRIES, ENTRY_BYTES, ENTRY_BYTES),
                (GRADIENTS, of, to),
                *((kind, size, size) for kind, size in sums.items()),
            ]
        )
    return found


def differing(workers: Sequence[Sequence[Step]], cut: LargeCut, seed: int) -> list[Step]:
    """Measured steps of which a worker sent anything else than the cut says."""
    assert seed == cut.rotation.seed
    return [
        steps[0]
        for steps in zip(*workers, strict=True)
        if [[(call.kind, call.sent, call.received) for call in step.calls] for step in steps]
        != expected_calls(cut, steps[0].number, steps[0].is_probe)
    ]
