"""Whether the figures are the same on another machine.

    python -m benchmarks.robustness.reproducibility [--job JOB] [--set KEY=VALUE]

Another processor has other kernels, which add the same numbers in another order. ``SETTINGS`` force
such differences on one machine: vector widths of PyTorch, oneDNN and MKL, the number of threads,
and the number of workers.

Prints two tables. The first trains the job anew under each setting and compares it with the first
row. The second shows how much of the difference comes from the search alone: one network is warmed
up once, and searches with the same weights under each setting.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.support.commands import assignments, dynst, environment, python_module
from benchmarks.support.experiments import experiment_for, warm_up
from benchmarks.support.machine import processor
from benchmarks.support.options import add_job, parser_for
from benchmarks.support.tables import header, row
from dynst.experiment.protocol import search

MODULE = "benchmarks.robustness.reproducibility"
ONE_PROCESS = "cluster.num_workers=0"
SETTINGS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {  # variables, and of the job
    "two workers": ({}, ("cluster.num_workers=2",)),
    "the same again": ({}, ("cluster.num_workers=2",)),
    "one worker": ({}, ("cluster.num_workers=1",)),
    "without Ray": ({}, (ONE_PROCESS,)),
    "without Ray, two threads": ({"OMP_NUM_THREADS": "2"}, (ONE_PROCESS,)),
    "PyTorch without AVX-512": ({"ATEN_CPU_CAPABILITY": "avx2"}, (ONE_PROCESS,)),
    "PyTorch without AVX": ({"ATEN_CPU_CAPABILITY": "default"}, (ONE_PROCESS,)),
    "MKL on any processor": ({"MKL_CBWR": "COMPATIBLE"}, (ONE_PROCESS,)),
    "oneDNN with SSE 4.1": ({"ONEDNN_MAX_CPU_ISA": "SSE41"}, (ONE_PROCESS,)),
    "all three": (
        {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41"},
        (ONE_PROCESS,),
    ),
    "another seed, for scale": ({}, (ONE_PROCESS, "seed=1")),
}
OF_ONE_PROCESS = [name for name, (_, settings) in SETTINGS.items() if settings == (ONE_PROCESS,)]
TRAINING_COLUMNS = (
    "training",
    "kept sensors that agree",
    "dense",
    "sparse",
    "sparse to dense",
    "difference of sparse",
)
SEARCH_COLUMNS = (
    "search by the same network",
    "kept sensors that agree",
    "loss",
    "difference",
)


@dataclass(frozen=True)
class Result:
    """Of one training: ids of the sensors that stay, and errors over all locations."""

    kept: frozenset[str]
    error: float
    dense: float


def main() -> None:
    parser = parser_for(__doc__)
    add_job(parser)
    # The file of the weights; for processes of its own.
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        print(json.dumps(searched(options.job, options.set, options.child)))
        return
    width = torch.backends.cpu.get_cpu_capability()
    versions = f"Python {platform.python_version()}, torch {torch.__version__.split('+')[0]}"
    print(f"{options.job.stem}; {processor()} ({width}), {versions}\n")
    print_trainings(options.job, options.set)
    print()
    print_searches(options.job, options.set)


def print_trainings(job: Path, settings: list[str]) -> None:
    print(header(TRAINING_COLUMNS))
    first: Result | None = None
    for name, (variables, own) in SETTINGS.items():
        found = trained(job, [*settings, *own, "references.random=0"], variables)
        first = first or found
        print(f"{name}: {found.error}", file=sys.stderr, flush=True)
        figures = [
            f"{len(found.kept & first.kept)} of {len(first.kept)}",
            f"{found.dense:.4f}",
            f"{found.error:.4f}",
            f"{found.error / found.dense - 1:+.2%}",
            difference(found.error, first.error),
        ]
        print(row([name, *figures]), flush=True)


def print_searches(job: Path, settings: list[str]) -> None:
    print(header(SEARCH_COLUMNS))
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.pt"
        save_warm_network(job, settings, weights)
        words = ["--job", str(job), "--child", str(weights), *assignments(settings)]
        first: dict[str, Any] = {}
        for name in OF_ONE_PROCESS:
            found = json.loads(output(python_module(MODULE, *words), folder, SETTINGS[name][0]))
            first = first or found
            agreeing = len({*found["kept"]} & {*first["kept"]})
            figures = [f"{agreeing} of {len(first['kept'])}", f"{found['loss']:.7g}"]
            print(row([name, *figures, difference(found["loss"], first["loss"])]), flush=True)


def difference(one: float, other: float) -> str:
    return "none" if one == other else f"{one / other - 1:+.1e}"


def trained(job: Path, settings: list[str], variables: dict[str, str]) -> Result:
    command = dynst("train", str(job), "--offline", "--quiet", *assignments(settings))
    with tempfile.TemporaryDirectory() as home:
        outcome = json.loads(output(command, home, variables))
    kept, metrics = frozenset(outcome["sensors"]["kept"]), outcome["metrics"]
    return Result(kept, metrics["test/mae_all"], metrics["dense/mae_all"])


def save_warm_network(job: Path, settings: list[str], weights: Path) -> None:
    """Train to where the search begins, and keep the network."""
    torch.set_num_threads(1)
    experiment = experiment_for(job, with_search(settings))
    arm = experiment.learned()
    warm_up(experiment, arm)
    torch.save(arm.training.model.state_dict(), weights)


def searched(job: Path, settings: list[str], weights: Path) -> dict[str, Any]:
    """In a process of its own, since PyTorch reads the environment once."""
    experiment = experiment_for(job, with_search(settings))
    arm = experiment.learned()
    arm.training.model.load_state_dict(torch.load(weights, weights_only=True))
    _, found = search(experiment, arm)
    return {"kept": found.active.nonzero().squeeze(1).tolist(), "loss": found.loss}


def with_search(settings: list[str]) -> list[str]:
    return ["sparsity.scheme=searched", *settings]


def output(command: list[str], home: str, variables: dict[str, str]) -> str:
    known = environment(home, **({"OMP_NUM_THREADS": "1"} | variables))
    done = subprocess.run(command, env=known, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command} failed: {done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
