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
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.all import processor
from benchmarks.speed.training import JOB, Arms, arms_of
from benchmarks.support.ray_nodes import train
from dynst.experiment.protocol import search

MODULE = "benchmarks.robustness.reproducibility"
SETTINGS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "two workers": ({}, ("cluster.num_workers=2",)),
    "the same again": ({}, ("cluster.num_workers=2",)),
    "one worker": ({}, ("cluster.num_workers=1",)),
    "without Ray": ({}, ("cluster.num_workers=0",)),
    "without Ray, two threads": ({"OMP_NUM_THREADS": "2"}, ("cluster.num_workers=0",)),
    "PyTorch without AVX-512": ({"ATEN_CPU_CAPABILITY": "avx2"}, ("cluster.num_workers=0",)),
    "PyTorch without AVX": ({"ATEN_CPU_CAPABILITY": "default"}, ("cluster.num_workers=0",)),
    "MKL on any processor": ({"MKL_CBWR": "COMPATIBLE"}, ("cluster.num_workers=0",)),
    "oneDNN with SSE 4.1": ({"ONEDNN_MAX_CPU_ISA": "SSE41"}, ("cluster.num_workers=0",)),
    "all three": (
        {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41"},
        ("cluster.num_workers=0",),
    ),
    "another seed, for scale": ({}, ("cluster.num_workers=0", "seed=1")),
}
OF_ONE_PROCESS = [
    name for name, (_, settings) in SETTINGS.items() if settings == ("cluster.num_workers=0",)
]


@dataclass(frozen=True)
class Result:
    """What one run says: ids of the sensors that stay, and errors over all locations."""

    kept: frozenset[str]
    error: float
    dense: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--job", type=Path, default=JOB)
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="of the job"
    )
    parser.add_argument(
        "--searches", type=Path, help=argparse.SUPPRESS
    )  # weights; for processes of its own
    options = parser.parse_args()
    if options.searches is not None:
        print(json.dumps(searched(options.job, options.set, options.searches)))
        return
    width = torch.backends.cpu.get_cpu_capability()
    versions = f"Python {platform.python_version()}, torch {torch.__version__.split('+')[0]}"
    print(f"{options.job.stem}; {processor()} ({width}), {versions}\n")
    print(trainings(options.job, options.set), end="\n\n", flush=True)
    print(searches(options.job, options.set))


def trainings(job: Path, assignments: list[str]) -> str:
    lines = [
        "| training | kept sensors that agree | dense | sparse | sparse to dense | difference of "
        "sparse |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    first: Result | None = None
    for name, (variables, settings) in SETTINGS.items():
        found = trained(job, [*assignments, *settings, "references.random=0"], variables)
        first = first or found
        print(f"{name}: {found.error}", file=sys.stderr, flush=True)
        lines.append(
            f"| {name} | {len(found.kept & first.kept)} of {len(first.kept)} | {found.dense:.4f} | "
            f"{found.error:.4f} | {found.error / found.dense - 1:+.2%} | "
            f"{difference(found.error, first.error)} |"
        )
    return "\n".join(lines)


def searches(job: Path, assignments: list[str]) -> str:
    lines = [
        "| search by the same network | kept sensors that agree | judge's loss | difference |",
        "|---|---:|---:|---:|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.pt"
        warm_up(job, assignments, weights)
        words = [sys.executable, "-m", MODULE, "--job", str(job), "--searches", str(weights)]
        words += [word for assignment in assignments for word in ("--set", assignment)]
        first: dict[str, Any] = {}
        for name in OF_ONE_PROCESS:
            found = json.loads(said(words, SETTINGS[name][0]))
            first = first or found
            agreeing = len({*found["kept"]} & {*first["kept"]})
            loss = f"{found['loss']:.7g} | {difference(found['loss'], first['loss'])}"
            lines.append(f"| {name} | {agreeing} of {len(first['kept'])} | {loss} |")
    return "\n".join(lines)


def difference(one: float, other: float) -> str:
    return "none" if one == other else f"{one / other - 1:+.1e}"


def trained(job: Path, assignments: list[str], variables: dict[str, str]) -> Result:
    with tempfile.TemporaryDirectory() as home:
        settings = [word for assignment in assignments for word in ("--set", assignment)]
        outcome = json.loads(
            said(
                train([str(job), "--offline", "--quiet", *settings]),
                {"DYNST_HOME": home} | variables,
            )
        )
    metrics = outcome["metrics"]
    return Result(
        frozenset(outcome["sensors"]["kept"]), metrics["test/mae_all"], metrics["dense/mae_all"]
    )


def warm_up(job: Path, assignments: list[str], weights: Path) -> None:
    """Train to where the search begins, and keep the network."""
    torch.set_num_threads(1)
    arms = made(job, assignments)
    for _ in arms.learned.training.run(arms.experiment.warm_epochs(arms.learned)):
        pass
    torch.save(arms.learned.training.model.state_dict(), weights)


def searched(job: Path, assignments: list[str], weights: Path) -> dict[str, Any]:
    """In a process that has the settings; PyTorch reads them once."""
    arms = made(job, assignments)
    arms.learned.training.model.load_state_dict(torch.load(weights, weights_only=True))
    _, found = search(arms.experiment, arms.learned)
    return {"kept": found.active.nonzero().squeeze(1).tolist(), "loss": found.loss}


def made(job: Path, assignments: list[str]) -> Arms:
    return arms_of(job, ["sparsity.scheme=judged", *assignments])


def said(words: list[str], variables: dict[str, str]) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | variables
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{words} failed: {done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
