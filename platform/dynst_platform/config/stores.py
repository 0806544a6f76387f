"""From a job to an open sensor store that fits it."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from dynst.data import auckland
from dynst.data.answers import reminder
from dynst.data.patches import patched_store
from dynst.data.remote import fetch_store
from dynst.data.store import SensorStore
from dynst.errors import DataError
from dynst.experiment.experiment import Experiment
from dynst.notices import notice
from dynst.selection.baselines import check_size
from dynst.sparsity.config import at_sparsity, make_constraints
from dynst.sparsity.constraints.sensor_layout import network_of
from dynst.storage.addresses import is_remote
from dynst.storage.locks import made_once
from dynst_platform.config.experiment import config_of
from dynst_platform.config.job import JobSpec
from dynst_platform.config.locations import home
from dynst_platform.config.opening import memory, open_here
from dynst_platform.config.sensor_choice import read_choice
from dynst_platform.config.sweep import SweepSpec

__all__ = [
    "ablation_store_for",
    "curve_store_for",
    "find_store",
    "first_unit",
    "from_anywhere",
    "is_fetched",
    "moved_store",
    "open_questions",
    "store_for",
    "sweep_store_for",
    "target_units",
]


def find_store(
    name: str, patch: tuple[int, int] | None = None, *, anew: bool = False
) -> SensorStore:
    """Open the store at a path or address, or an embedded data set.

    The latter two come into the home folder at their first use.

    Args:
        patch: rows and columns of cells that are one sensor; None leaves the store as it is.
        anew: whether to verify a store that this home remembers as verified.

    Raises:
        DataError: there is no usable store.
        ConfigError: it has no grid to cut into patches.
    """
    return _patched(open_here(_folder_of(name), anew=anew), patch, anew)


def _patched(store: SensorStore, patch: tuple[int, int] | None, anew: bool = False) -> SensorStore:
    if patch is None:
        return store
    return patched_store(store, patch, home() / "stores", memory=memory(), anew=anew)


def _folder_of(name: str) -> Path:
    if is_remote(name):
        return fetch_store(name, home() / "stores", memory=memory())
    if name != auckland.NAME:
        return Path(name).expanduser().resolve()
    path = home() / "stores" / auckland.NAME
    made_once(path, auckland.import_auckland)
    return path


def from_anywhere(name: str) -> str:
    """The same store's name for a process that was started in another folder."""
    return name if is_fetched(name) else str(Path(name).expanduser().resolve())


def is_fetched(name: str) -> bool:
    """Whether each node can make the store itself, from its address or from what DynST brings."""
    return is_remote(name) or name == auckland.NAME


@contextmanager
def moved_store(setting: str | None) -> Iterator[None]:
    """Where no store can be opened, note which setting says where it lies now.

    None notes nothing.
    """
    try:
        yield
    except DataError as error:
        if setting is not None:
            error.add_note(f"where the store lies elsewhere now, add --set {setting}=PLACE")
        raise


def store_for(job: JobSpec) -> SensorStore:
    """Open the job's store and refuse here, before any run exists, whatever the two make impossible
    together.

    Raises:
        DynstError: no usable store, or windows, targets, season, schedule or constraints that do
            not fit it.
    """
    config = config_of(job)
    store = _store_of(job)
    experiment = Experiment(store, config)
    experiment.check_model()
    experiment.check_scheme()
    check_size(job.references.baselines, experiment.num_sensors)
    if job.references.given is not None:
        read_choice(job.references.given, store.sensors.ids)
    return store


def curve_store_for(job: JobSpec) -> SensorStore:
    """The same for ``dynst curve``: each of its sparsities must be possible, and each baseline
    feasible on a network of this size.

    Raises:
        DynstError: as for ``store_for``.
    """
    config = config_of(job)
    store = _store_of(job)
    Experiment(store, config).check_model()
    check_size(job.curve.baselines, len(store.sensors))
    for sparsity in job.curve.sparsities:
        make_constraints(at_sparsity(job.sparsity, sparsity), network_of(store))
    if job.curve.given is not None:
        read_choice(job.curve.given, store.sensors.ids)
    return store


def _store_of(job: JobSpec) -> SensorStore:
    """The job's store; a value that may mean missing is asked about until someone answers."""
    store = open_here(_folder_of(job.data.store))
    for text in reminder(store.manifest, job.data.store):
        notice(text)
    return _patched(store, job.data.patch)


def open_questions(job: JobSpec, store: SensorStore) -> list[str]:
    """What of the job's store was taken as readings though nobody has said that it is.

    Args:
        job: that was trained.
        store: as it was opened for the job.
    """
    manifest = store.manifest
    if job.data.patch is not None:  # patches of cells ask nothing of their own
        manifest = open_here(_folder_of(job.data.store)).manifest
    texts = reminder(manifest, job.data.store)
    return [
        f"trained with {question.value_text} as a reading: {text}"
        for question, text in zip(manifest.questions, texts, strict=True)
    ]


def ablation_store_for(job: JobSpec) -> SensorStore:
    """The same for ``dynst ablate``: each scheme must be possible at each sparsity.

    Raises:
        DynstError: as for ``store_for``.
    """
    for scheme, sparsity in product(job.ablation.schemes, job.ablation.sparsities):
        settings = at_sparsity(job.sparsity, sparsity).model_copy(
            update={"scheme": scheme, "dropout": scheme == "searched"}
        )
        store = store_for(job.model_copy(update={"sparsity": settings}))
    return store


def sweep_store_for(sweep: SweepSpec) -> SensorStore:
    """The same for ``dynst tune``: its base job must be possible.

    What single trials make impossible is said by each.

    Raises:
        DynstError: as for ``store_for``.
    """
    return store_for(JobSpec.model_validate(sweep.job))


def target_units(job: JobSpec, store: SensorStore) -> dict[str, str]:
    """The unit of each channel that the job forecasts, the first target first."""
    units = {channel.name: channel.unit for channel in store.manifest.quantities}
    return {name: units[name] for name in job.data.targets or list(units)[:1]}


def first_unit(job: JobSpec, store: SensorStore) -> str:
    """The unit of the first target, and so of the overall errors."""
    return next(iter(target_units(job, store).values()))
