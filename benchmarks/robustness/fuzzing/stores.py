"""Sensor stores, damaged and taken for a training."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.robustness.fuzzing.mutations import damage_file, damage_tree, pick
from benchmarks.robustness.fuzzing.networks import write_network
from dynst import Experiment, ExperimentConfig, open_store
from dynst.data.store import MANIFEST, SENSORS

__all__ = ["Stores"]

CONTENT = ("name", "source", "attribution")  # of a manifest, may be written by hand


class Stores:
    """Damage in one file, files of two stores mixed, or rows in another order."""

    name, refused_always = "stores", True

    def prepare(self, folder: Path) -> None:
        for seed, name in enumerate(("store", "other")):
            write_network(folder / name, seed)

    def attempt(self, examples: Path, folder: Path, seed: int) -> bool:
        rng = np.random.default_rng(seed)
        store = folder / "store"
        shutil.copytree(examples / "store", store)
        file = pick(sorted(store.iterdir()), rng)
        whole = file.read_bytes()
        self._damage(file, examples / "other" / file.name, rng)
        damaged = _content(file.read_bytes()) != _content(whole)
        Experiment(open_store(store), ExperimentConfig()).dataset  # noqa: B018 - reads all of it
        return damaged

    @staticmethod
    def _damage(file: Path, other: Path, rng: np.random.Generator) -> None:
        chance = rng.random()
        if chance < 0.15:
            shutil.copy(other, file)
        elif chance < 0.3 and file.name == SENSORS:
            table = pq.read_table(file)
            pq.write_table(table.take(rng.permutation(len(table))), file)
        elif chance < 0.6 and file.name == MANIFEST:
            manifest = json.loads(file.read_text())
            changed = damage_tree(manifest, rng)
            if isinstance(changed, dict):
                changed |= {name: manifest[name] for name in CONTENT}
            file.write_text(json.dumps(changed))
        else:
            damage_file(file, rng)


def _content(file: bytes) -> object:
    """A manifest may be laid out in another way."""
    try:
        return json.loads(file)
    except ValueError:
        return file
