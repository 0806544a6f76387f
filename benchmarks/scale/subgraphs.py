"""What cutting a network into subgraphs saves each worker.

    python -m benchmarks.scale.subgraphs

Writes a synthetic network, and trains on it for a few steps, half of which are probes. The workers
are processes of one thread each that communicate over gloo. They train on the whole network, and on
its subgraphs.

Memory is the resident peak of each worker while it trains and validates. "On top" is the part of it
that was not there when the training began. Time is that of a training step, updates of the mask
included and validation excluded.
"""

import json
import re
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from benchmarks.support.options import parser_for
from benchmarks.support.tables import header, row
from dynst.data.store import SensorStore, open_store
from dynst.data.synthetic import write_synthetic_field
from dynst.distributed.world import current_world
from dynst.experiment.config import ExperimentConfig
from dynst.experiment.experiment import Experiment
from dynst.models.factory import ModelConfig
from dynst.sparsity.config import SparsityConfig
from dynst.training.config import Recipe

MODEL = ModelConfig(window=12, horizon=3, hidden=16)
STEPS = 2  # of each of two epochs
SPARSITY = SparsityConfig(
    scheme="iterative", final=0.5, start=0.5, stop=0.8, rounds=1, dropout=False, probe_every=2
)
COLUMNS = (
    "parts",
    "sensors of a part, mean",
    "step, s",
    "peak of each worker, MiB",
    "on top, MiB",
    "loss",
)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--sensors", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=200, help="of the series")
    parser.add_argument("--parts", type=int, nargs="+", default=(1, 8))
    parser.add_argument("--halo", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=4, help="windows in a step, over all workers")
    options = parser.parse_args()
    fixed = {"epochs": 2, "steps_per_epoch": STEPS, "batch_size": options.batch}
    print(header(COLUMNS, text=0), flush=True)
    with TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        write_synthetic_field(store, options.sensors, options.steps)
        for parts in options.parts:
            recipe = Recipe.model_validate(fixed | {"parts": parts, "halo": options.halo})
            print(row(figures(parts, measured(store, recipe, options.workers))), flush=True)


def figures(parts: int, workers: list[dict[str, Any]]) -> list[str]:
    first = workers[0]
    assert all(worker["mask"] == first["mask"] for worker in workers)
    return [
        str(parts),
        f"{first['sensors']:,.0f}",
        f"{fmean(worker['step'] for worker in workers):.2f}",
        " and ".join(f"{worker['peak']:,.0f}" for worker in workers),
        " and ".join(f"{worker['on top']:,.0f}" for worker in workers),
        f"{first['loss']:.3f}",
    ]


def measured(store: Path, recipe: Recipe, workers: int) -> list[dict[str, Any]]:
    """What each worker measured."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        spawn(run_worker, (folder, store, recipe, workers), nprocs=workers)
        return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(workers)]


def run_worker(rank: int, folder: Path, store: Path, recipe: Recipe, workers: int) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{folder}/rendezvous"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=workers)
    (folder / f"{rank}.json").write_text(json.dumps(trained(open_store(store), recipe)))
    dist.destroy_process_group()


def trained(store: SensorStore, recipe: Recipe) -> dict[str, Any]:
    config = ExperimentConfig(model=MODEL, training=recipe, sparsity=SPARSITY)
    training = Experiment(store, config, current_world()).learned().training
    before = memory_mib("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    reports = list(training.run())
    batch = min(recipe.batch_size, len(training.train))
    subgraphs = training.rotation.parts
    return {
        "sensors": fmean([len(one.sensors) for one in subgraphs] or [len(store.sensors)]),
        "step": fmean(batch / report.windows_per_second for report in reports),
        "peak": memory_mib("VmHWM"),
        "on top": memory_mib("VmHWM") - before,
        "loss": reports[-1].train_loss,
        "mask": training.scheme.active.nonzero().squeeze(1).tolist(),
    }


def memory_mib(field: str) -> float:
    """Of this process: VmRSS is what is resident now, VmHWM the most that was."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    main()
