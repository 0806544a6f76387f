"""What cutting a network into subgraphs saves each worker.

    python -m benchmarks.scale.subgraphs

Writes a synthetic network, and trains on it for a few steps, half of which are probes. The workers
are processes of one thread each that communicate over gloo. They train on the whole network, and on
its subgraphs.

Memory is the resident peak of each worker while it trains and validates. "On top" is the part of it
that was not there when the training began. Time is that of a training step, updates of the mask
included and validation excluded.
"""

import argparse
import json
import re
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sensors", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=200, help="of the series")
    parser.add_argument("--parts", type=int, nargs="+", default=(1, 8))
    parser.add_argument("--halo", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=4, help="windows in a step, over all workers")
    options = parser.parse_args()
    print(
        "| parts | sensors of a part, mean | step, s | peak of each worker, MiB | on top, MiB | "
        "loss |"
    )
    print("|---:|---:|---:|---:|---:|---:|", flush=True)
    with TemporaryDirectory() as folder:
        write_synthetic_field(Path(folder) / "store", options.sensors, options.steps)
        for parts in options.parts:
            recipe = Recipe(
                epochs=2,
                steps_per_epoch=STEPS,
                batch_size=options.batch,
                parts=parts,
                halo=options.halo,
            )
            print(row(parts, measured(Path(folder), recipe, options.workers)), flush=True)


def row(parts: int, workers: list[dict[str, Any]]) -> str:
    peaks, on_top = (
        " and ".join(f"{worker[name]:,.0f}" for worker in workers) for name in ("peak", "on top")
    )
    seconds, first = fmean(worker["step"] for worker in workers), workers[0]
    assert all(worker["mask"] == first["mask"] for worker in workers)
    return (
        f"| {parts} | {first['held']:,.0f} | {seconds:.2f} | {peaks} | {on_top} | "
        f"{first['loss']:.3f} |"
    )


def measured(folder: Path, recipe: Recipe, workers: int) -> list[dict[str, Any]]:
    with TemporaryDirectory() as place:
        mp.spawn(on_rank, (Path(place), folder / "store", recipe, workers), nprocs=workers)
        return [json.loads((Path(place) / f"{rank}.json").read_text()) for rank in range(workers)]


def on_rank(rank: int, place: Path, store: Path, recipe: Recipe, workers: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{place}/meet", rank=rank, world_size=workers
    )
    (place / f"{rank}.json").write_text(json.dumps(trained(open_store(store), recipe)))
    dist.destroy_process_group()


def trained(store: SensorStore, recipe: Recipe) -> dict[str, Any]:
    experiment = Experiment(
        store, ExperimentConfig(model=MODEL, training=recipe, sparsity=SPARSITY), current_world()
    )
    training = experiment.learned().training
    before, seconds = status_mib("VmRSS"), []
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    step = training._train_step

    def timed(index: torch.Tensor) -> torch.Tensor:
        started = perf_counter()
        errors = step(index)
        seconds.append(perf_counter() - started)
        return errors

    training._train_step = timed  # type: ignore[method-assign]
    reports = list(training.run())
    sizes = [len(part.sensors) for part in training.rotation.parts] or [len(store.sensors)]
    return {
        "held": fmean(sizes),
        "step": fmean(seconds),
        "peak": status_mib("VmHWM"),
        "on top": status_mib("VmHWM") - before,
        "loss": reports[-1].train_loss,
        "mask": training.scheme.active.nonzero().squeeze(1).tolist(),
    }


def status_mib(field: str) -> float:
    """Of this process: VmRSS is what is resident now, VmHWM the most that was."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    main()
