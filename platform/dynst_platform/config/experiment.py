"""From a job to the experiment that it describes."""

from functools import lru_cache
from pathlib import Path

from dynst.distributed.world import World
from dynst.experiment.config import ExperimentConfig
from dynst.experiment.dataset import Dataset
from dynst.experiment.experiment import Experiment
from dynst_platform.config.job import JobSpec
from dynst_platform.config.opening import open_here

__all__ = ["config_of", "experiment_of"]


def config_of(job: JobSpec) -> ExperimentConfig:
    """Those settings of a job that change a figure."""
    return ExperimentConfig(
        targets=job.data.targets,
        season=job.data.season,
        split=job.data.split,
        model=job.model,
        training=job.training,
        sparsity=job.sparsity,
        search=job.search,
        seed=job.seed,
    )


def experiment_of(job: JobSpec, store_path: str | Path, world: World | None = None) -> Experiment:
    """On the store at a path.

    A process scales the series once for all jobs that see it alike, one after another.
    """
    config, store = config_of(job), open_here(store_path)
    seen_alike = config.model_dump_json(include={"targets", "season", "split", "model"})
    held = store.manifest.model_dump_json()
    return Experiment(store, config, world, _scaled(str(store_path), held, seen_alike))


@lru_cache(maxsize=1)
def _scaled(store_path: str, held: str, settings: str) -> Dataset:
    """``held`` distinguishes a store from another that took its place."""
    return Experiment(open_here(store_path), ExperimentConfig.model_validate_json(settings)).dataset
