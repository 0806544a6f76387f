"""Cost and error of every backbone, dense and with half of the sensors off.

    python -m benchmarks.parity.backbones auckland sea_level_pressure --out runs/backbones

Makes the tables of docs/backbones.md, one for each job of ``jobs/backbones``, by ``dynst train``.
Outcomes are kept in ``--out``, and only those that are missing are trained. ``--at-once 2`` trains
two at a time.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

from mlflow.tracking import MlflowClient

from benchmarks.support.commands import JOBS, assignments, dynst, environment, outcome
from benchmarks.support.options import add_settings, parser_for
from benchmarks.support.tables import header, row

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
    parser = parser_for(__doc__)
    parser.add_argument("jobs", nargs="*", default=list(BACKBONES), choices=list(BACKBONES))
    parser.add_argument("--out", type=Path, default=Path("runs/backbones"))
    parser.add_argument("--at-once", type=int, default=1)
    add_settings(parser, "of every job, for instance another store")
    options = parser.parse_args()
    trainings = [(job, backbone) for job in options.jobs for backbone in BACKBONES[job]]
    with ThreadPoolExecutor(options.at_once) as pool:
        own = (repeat(options.out), repeat(options.set))
        outcomes = list(pool.map(trained, *zip(*trainings, strict=True), *own))
    for job in options.jobs:
        print(f"\n{job}\n\n{header(COLUMNS, text=len(COLUMNS))}")
        for (name, backbone), found in zip(trainings, outcomes, strict=True):
            if name == job:
                print(row(figures(backbone, found)))


def trained(job: str, backbone: str, out: Path, settings: list[str]) -> dict[str, Any]:
    """What the training printed, and what MLflow knows of its time; kept in ``out``."""
    kept, home = out / f"{job}-{backbone}.json", (out / f"{job}-{backbone}").resolve()
    if not kept.exists():
        words = assignments([f"model.backbone={backbone}", *settings])
        command = dynst("train", str(JOBS / "backbones" / f"{job}.yaml"), *words)
        found = outcome(command, environment(home, OMP_NUM_THREADS="1"))
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(found | times(found)), encoding="utf-8")
    result: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return result


def times(found: dict[str, Any]) -> dict[str, Any]:
    client = MlflowClient(found["artifacts"]["tracking_uri"])
    runs = {"dense": found["references"]["dense"]["run_id"], "sparse": found["run_id"]}
    seconds = {
        name: client.get_run(run).data.metrics["train/total_seconds"] for name, run in runs.items()
    }
    last = client.get_metric_history(runs["dense"], "train/mae")[-1]
    return {"seconds": seconds, "steps": last.step}


def figures(backbone: str, found: dict[str, Any]) -> Iterator[str]:
    cost, seconds = found["efficiency"], found["seconds"]
    dense, sparse = found["references"]["dense"]["mae_all"], found["metrics"]["test/mae_all"]
    yield f"`{backbone}`"
    yield f"{cost['parameters']:,.0f}"
    yield f"{cost['dense_flops'] / 1e6:.3g} → {cost['compact_flops'] / 1e6:.3g}"
    yield f"{1e3 * seconds['dense'] / found['steps']:.3g}"
    yield f"{cost['dense_ms']:.3g} → {cost['compact_ms']:.3g} ({cost['speed_up']:.2f} ×)"
    yield f"{seconds['sparse'] / seconds['dense']:.2f}"
    yield f"{dense:.4g}"
    yield f"{sparse:.4g}"
    yield f"{sparse / dense - 1:+.1%}"


if __name__ == "__main__":
    main()
