"""Experiments of a job, in this process."""

from pathlib import Path

from dynst.experiment.arms import Arm
from dynst.experiment.experiment import Experiment
from dynst.experiment.supernet import Supernet
from dynst.models.forecaster import SparseForecaster
from dynst_platform.config.experiment import experiment_of
from dynst_platform.config.files import load_job
from dynst_platform.config.stores import store_for

__all__ = ["experiment_for", "trained", "warm_up"]


def experiment_for(job: Path, settings: list[str]) -> Experiment:
    """Of a job file with settings ``KEY=VALUE``."""
    spec = load_job(job, settings)
    return experiment_of(spec, store_for(spec).path)


def warm_up(experiment: Experiment, arm: Arm) -> None:
    """Train to where the arm selects its sensors."""
    for _ in arm.training.run(experiment.warm_epochs(arm)):
        pass


def trained(supernet: Supernet, *, withhold: bool = True) -> SparseForecaster:
    """The network of a supernet's whole training, with or without the blocks of the search."""
    training = supernet.training(withhold=withhold)
    for _ in training.run():
        pass
    return training.model
