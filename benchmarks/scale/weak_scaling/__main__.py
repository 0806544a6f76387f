"""How training by parts grows with its workers, where each has as many sensors as before.

    python -m benchmarks.scale.weak_scaling

It prints three kinds of figures, each under its own heading.

- Measured: one and two processes of one thread each, over gloo. What a step sends by kind of call,
  what it reads, and what its time is spent on. Half of the sensors are off; every other step is a
  probe, which reads all of them. Beside them one process plays one of many workers, to time the
  work that it does for the exchange by itself.
- Computed: the network of more workers is really made and cut, and rows, bytes and calls are
  counted from the cut. For two workers they must equal what was measured, byte for byte; where they
  do not, the exit code is 1.
- Simulated: a step of more workers, from the measured times of one, the computed bytes, and an
  assumed interconnect. The formulas and their sources are in simulation.py. Computing takes the
  processor's time, spreads as the clock's does on a machine that others may use, and grows with the
  sensors that are read; the work that a worker does for the exchange by itself stays as it was
  measured, however fast the computing. The slowest of n workers is simulated; congestion of the
  network, overlap of sending and computing, and the reading of windows are not.

Nothing here runs on a GPU, nor on several machines. "10 × as fast" divides the measured computing
by ten: a question, not a claim.
"""

import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import torch

from benchmarks.scale.weak_scaling.computed import LargeCut, differing, large_cut
from benchmarks.scale.weak_scaling.measured import Step, recipe_for, series_length, trained
from benchmarks.scale.weak_scaling.simulation import Interconnect
from benchmarks.scale.weak_scaling.tables import (
    OneWorker,
    computed_table,
    counts_table,
    machine,
    own_work_table,
    simulated_table,
    times_table,
)
from benchmarks.support.options import parser_for
from dynst.data.synthetic import write_synthetic_field

QUICK = {"sensors": 500, "workers": [8], "seeds": [0], "steps": 3}
FASTER = (1, 10, 100)  # how many times the computing may be as fast as measured
Runs = dict[int, list[list[list[Step]]]]  # by number of workers: of each seed, of each worker


def main() -> None:
    options = parsed()
    lines = []
    for line in report(options):
        print(line, flush=True)
        lines.append(line)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.exit(any(line.startswith("WRONG") for line in lines))


def parsed() -> Namespace:
    parser = parser_for(__doc__)
    parser.add_argument("--sensors", type=int, default=5_000, help="of each worker")
    parser.add_argument("--parts", type=int, default=2, help="of each worker, at least 2")
    parser.add_argument("--windows", type=int, default=4, help="of each worker in a step")
    parser.add_argument("--steps", type=int, default=12, help="of each kind that are measured")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--workers", type=int, nargs="+", default=[8, 64, 256], help="computed")
    parser.add_argument("--latency-us", type=float, nargs="+", default=[5, 50])
    parser.add_argument("--bandwidth-gb", type=float, nargs="+", default=[50, 1.25])
    parser.add_argument(
        "--compute-ms", type=float, help="of an ordinary step; by default what was measured"
    )
    parser.add_argument("--computed", action="store_true", help="leave out all that is trained")
    parser.add_argument("--quick", action="store_true", help=f"small: {QUICK}")
    parser.add_argument("--out", type=Path, help="a file for the tables too")
    options = parser.parse_args()
    if options.quick:
        vars(options).update(QUICK)
    if options.computed:
        del options.seeds[1:]  # networks are made of the first
    return options


def report(options: Namespace) -> Iterator[str]:
    torch.set_num_threads(1)
    yield f"{machine()} No GPU. Seeds {', '.join(map(str, options.seeds))}.\n"
    with TemporaryDirectory() as scratch:
        runs = {} if options.computed else measured(options, Path(scratch))
        if runs:
            yield "### Measured: one and two processes\n"
            yield f"{counts_table(runs)}\n\n{times_table(runs)}\n"
        cuts = {
            workers: large_cut(Path(scratch), workers, options)
            for workers in (1, 2, *options.workers)
        }
    yield "### Measured: one process that plays one of n workers\n"
    yield f"{own_work_table(cuts)}\n\n### Computed\n\n{computed_table(cuts)}\n"
    if runs:
        yield compared(runs, cuts[2], options.seeds[0])
        one = one_worker(runs, options)
        means = " and ".join(f"{1000 * fmean(times):.0f} ms" for times in one.times.values())
        yield f"\n### Simulated\n\nOne worker: {means}, ordinary step and probe.\n"
        yield simulated_table(cuts, one, joins(options), FASTER)


def measured(options: Namespace, folder: Path) -> Runs:
    """Seed after seed, one and two workers in turn."""
    runs: Runs = {1: [], 2: []}
    for seed in options.seeds:
        for workers in runs:
            recipe = recipe_for(workers, options.parts, options.windows, options.steps)
            longest = recipe_for(2, options.parts, options.windows, options.steps)
            store = folder / f"{workers}-{seed}"
            write_synthetic_field(
                store, workers * options.sensors, series_length(longest), seed=seed
            )
            runs[workers].append(trained(store, seed, recipe, workers))
    return runs


def compared(runs: Runs, cut: LargeCut, seed: int) -> str:
    """Whether what two workers of the first seed sent is what their cut says."""
    workers = runs[2][0]
    differ = [step.number for step in differing(workers, cut, seed)]
    steps = len(workers[0])
    if differ:
        return f"WRONG: of {steps} steps of two workers, {differ} sent other bytes than computed."
    return f"In {steps} of {steps} steps of two workers, bytes and calls are those computed."


def one_worker(runs: Runs, options: Namespace) -> OneWorker:
    found = OneWorker.of([step for seed in runs[1] for step in seed[0]])
    return found if options.compute_ms is None else found.taking(options.compute_ms / 1000)


def joins(options: Namespace) -> list[Interconnect]:
    return [
        Interconnect(f"{bandwidth:g} GB/s, {latency:g} µs", latency * 1e-6, bandwidth * 1e9)
        for latency, bandwidth in zip(options.latency_us, options.bandwidth_gb, strict=True)
    ]


if __name__ == "__main__":
    main()
