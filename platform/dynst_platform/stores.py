"""From a job to an open sensor store that fits it."""

from pathlib import Path

from dynst.build import DatasetPlan, make_geometry, plan_dataset
from dynst.data import auckland
from dynst.data.patches import patched_store
from dynst.data.remote import fetch_store, is_remote
from dynst.data.store import SensorStore, open_store
from dynst.errors import DataError
from dynst.sparsity.config import make_scheme
from dynst_platform.home import home
from dynst_platform.spec import JobSpec

__all__ = ["find_store", "plan_job", "store_for"]


def find_store(name: str) -> SensorStore:
    """Open the store at a path or address, or an embedded data set. The latter two come into the home folder at their first use.

    Raises:
        DataError: there is no usable store.
    """
    if is_remote(name):
        return open_store(fetch_store(name, home() / "stores"))
    if name != auckland.NAME:
        return open_store(Path(name).expanduser().resolve())
    path = home() / "stores" / auckland.NAME
    if not path.exists():
        auckland.import_auckland(path)
    return open_store(path)


def store_for(job: JobSpec) -> SensorStore:
    """Open the job's store and refuse here, before any run exists, whatever the two make impossible together.

    Raises:
        DynstError: no usable store, or windows, targets, season or schedule that do not fit it.
    """
    store = find_store(job.data.store)
    if job.data.patch is not None:
        store = patched_store(store, job.data.patch, home() / "stores")
    if store.sensors.pinned.any() or store.sensors.excluded.any():
        raise DataError(
            f"{store.path} pins or excludes sensors, which no scheme honours yet; clear both columns of sensors.parquet"
        )
    plan = plan_job(job, store)
    make_geometry(job.model, store.edges, len(store.sensors))
    steps = job.training.epochs * job.training.steps_in_epoch(len(plan.starts[0]))
    make_scheme(job.sparsity, len(store.sensors), steps, job.seed)
    return store


def plan_job(job: JobSpec, store: SensorStore) -> DatasetPlan:
    """How the job scales and cuts its store."""
    return plan_dataset(store, job.model, targets=job.data.targets, season=job.data.season, shares=job.data.split)
