"""From a job to the experiment that it describes."""

from functools import lru_cache
from pathlib import Path

from dynst.data.store import SensorStore
from dynst.distributed.world import World, current_world
from dynst.errors import ConfigError
from dynst.experiment.config import ExperimentConfig
from dynst.experiment.dataset import Dataset
from dynst.experiment.experiment import Experiment
from dynst.storage.addresses import without_credentials
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
    """On the store at a path, or, on a node that does not see it, at the job's own address; by
    default in this process's world, on the device that it computes on.

    A process scales the series once for all jobs that see it alike, one after another.

    Raises:
        ConfigError: the address has another store by now.
    """
    config, store = config_of(job), _opened(job, Path(store_path))
    seen_alike = config.model_dump_json(include={"targets", "season", "split", "model"})
    held = store.manifest.model_dump_json()
    dataset = _scaled(str(store.path), held, seen_alike)
    return Experiment(store, config, world or current_world(), dataset)


def _opened(job: JobSpec, path: Path) -> SensorStore:
    from dynst_platform.config.stores import find_store, is_fetched  # noqa: PLC0415 (it needs ours)

    if path.exists() or not is_fetched(job.data.store):
        return open_here(path)
    store = find_store(job.data.store, job.data.patch)
    if store.path.name != path.name:  # a fetched store's name is its content's
        raise ConfigError(
            f"this node must train on the store that the run began with, {path.name[:12]}, but "
            f"{without_credentials(job.data.store)} now holds another; bring the old one back, or "
            f"start the job anew"
        )
    return store


@lru_cache(maxsize=1)
def _scaled(store_path: str, held: str, settings: str) -> Dataset:
    """``held`` distinguishes a store from another that took its place."""
    return Experiment(open_here(store_path), ExperimentConfig.model_validate_json(settings)).dataset
