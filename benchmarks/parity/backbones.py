"""Cost and error of every backbone, dense and with half of the sensors off.

    python -m benchmarks.parity.backbones auckland sea_level_pressure --out runs/backbones

Makes the tables of docs/backbones.md, one for each job of ``jobs/backbones``, by ``dynst train``.
Outcomes are kept in ``--out``, and only those that are missing are trained. ``--at-once 2`` trains
two at a time.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mlflow.tracking import MlflowClient

JOBS = Path(__file__).parents[2] / "jobs" / "backbones"
BACKBONES = {
    "auckland": (
        "linear",
        "stid",
        "morph_graph",
        "stgcn",
        "graph_wavenet",
        "agcrn",
        "staeformer",
        "mesh_graph_net",
    ),
    "sea_level_pressure": (
        "linear",
        "morph_graph",
        "patch_transformer",
        "unet",
        "simvp",
        "conv_lstm",
    ),
}
COLUMNS = (
    "backbone",
    "parameters",
    "MFLOP a forecast, dense → 50 % off",
    "ms a training step, dense",
    "ms for 64 forecasts, dense → 50 % off",
    "training, 50 % off / dense",
    "ALL-MAE, dense",
    "50 % off",
    "",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", nargs="*", default=list(BACKBONES), choices=list(BACKBONES))
    parser.add_argument("--out", type=Path, default=Path("runs/backbones"))
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="for every job, for instance another store",
    )
    arguments = parser.parse_args()
    pieces = [(job, backbone) for job in arguments.jobs for backbone in BACKBONES[job]]
    with ThreadPoolExecutor(arguments.at_once) as pool:
        outcomes = list(
            pool.map(lambda piece: trained(*piece, arguments.out, arguments.set), pieces)
        )
    for job in arguments.jobs:
        print(f"\n{job}\n\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
        for (name, backbone), outcome in zip(pieces, outcomes, strict=True):
            if name == job:
                print(f"| {' | '.join(row(backbone, outcome))} |")


def trained(job: str, backbone: str, out: Path, settings: list[str]) -> dict[str, Any]:
    """What the training says of itself, and what MLflow knows of its time; kept in ``out``."""
    kept = out / f"{job}-{backbone}.json"
    if not kept.exists():
        words = [
            part
            for setting in (f"model.backbone={backbone}", *settings)
            for part in ("--set", setting)
        ]
        command = [
            sys.executable,
            "-m",
            "dynst_platform.main",
            "train",
            str(JOBS / f"{job}.yaml"),
            "--format",
            "json",
            *words,
        ]
        environment = os.environ | {
            "DYNST_HOME": str((out / f"{job}-{backbone}").resolve()),
            "OMP_NUM_THREADS": "1",
        }
        environment.pop("MLFLOW_TRACKING_URI", None)
        done = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        outcome = json.loads(done.stdout)
        client = MlflowClient(outcome["artifacts"]["tracking_uri"])
        runs = {"dense": outcome["references"]["dense"]["run_id"], "sparse": outcome["run_id"]}
        outcome["seconds"] = {
            name: client.get_run(run).data.metrics["train/total_seconds"]
            for name, run in runs.items()
        }
        outcome["steps"] = client.get_metric_history(runs["dense"], "train/mae")[-1].step
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(outcome), encoding="utf-8")
    result: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return result


def row(backbone: str, outcome: dict[str, Any]) -> Iterator[str]:
    cost, seconds = outcome["efficiency"], outcome["seconds"]
    dense, sparse = outcome["references"]["dense"]["mae_all"], outcome["metrics"]["test/mae_all"]
    yield f"`{backbone}`"
    yield f"{cost['parameters']:,.0f}"
    yield f"{cost['dense_flops'] / 1e6:.3g} → {cost['compact_flops'] / 1e6:.3g}"
    yield f"{1e3 * seconds['dense'] / outcome['steps']:.3g}"
    yield f"{cost['dense_ms']:.3g} → {cost['compact_ms']:.3g} ({cost['speed_up']:.2f} ×)"
    yield f"{seconds['sparse'] / seconds['dense']:.2f}"
    yield f"{dense:.4g}"
    yield f"{sparse:.4g}"
    yield f"{sparse / dense - 1:+.1%}"


if __name__ == "__main__":
    main()
