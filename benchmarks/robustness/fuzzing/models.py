"""Saved models, damaged, loaded and asked for a forecast."""

import json
import shutil
from pathlib import Path

import numpy as np

from benchmarks.robustness.fuzzing.mutations import damage_file, damage_tree, pick
from benchmarks.robustness.fuzzing.networks import write_network
from dynst import Experiment, ExperimentConfig, ModelConfig, load_artifact, open_store, save_arm

__all__ = ["Models"]

SMALL = ModelConfig(window=6, horizon=3, hidden=16, embedding=4)
AS_DOCUMENT = 0.7  # share of the damaged descriptions that are whole JSON


class Models:
    """Damage in the weights or the description of a model that no registry vouches for."""

    name, refused_always = "models", False

    def prepare(self, folder: Path) -> None:
        write_network(folder / "store", seed=0)
        config = ExperimentConfig(model=SMALL)
        experiment = Experiment(open_store(folder / "store"), config)
        save_arm(folder / "model", experiment, experiment.dense())

    def attempt(self, examples: Path, folder: Path, seed: int) -> bool:
        rng = np.random.default_rng(seed)
        model = folder / "model"
        shutil.copytree(examples / "model", model)
        file = pick(sorted(model.iterdir()), rng)
        if file.suffix == ".json" and rng.random() < AS_DOCUMENT:
            file.write_text(json.dumps(damage_tree(json.loads(file.read_text()), rng)))
        else:
            damage_file(file, rng)
        artifact = load_artifact(model)
        description = artifact.description
        shape = (
            description.model.window,
            sum(description.active),
            len(description.channels),
        )
        time = np.arange(shape[0]) * description.step
        artifact.forecast(time, np.full(shape, 15.0))
        return True
