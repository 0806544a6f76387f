"""The sensor-dropout warm-up that many trials share: trained once for each set of settings that it depends on."""

from collections.abc import Callable
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from dynst.build import make_dataset
from dynst.comparison import Comparison
from dynst.data.store import SensorStore, open_store
from dynst.training.recipe import HOW_KEPT
from dynst.training.world import current_world
from dynst_platform.spec import JobSpec
from dynst_platform.stores import plan_job
from dynst_platform.studies.study import Cell, Files, Product, load_product, save_product

__all__ = ["WARM_KEYS", "comparison_of", "warm_cell", "warm_state"]

STATE = "state.pt"
OF_SPARSITY = ("start", "rewind", "dropout", "dropout_density", "pinned", "excluded")
WARM_KEYS = ("data", "model", "training", *(f"sparsity.{name}" for name in OF_SPARSITY))


def warm_cell(job: JobSpec, store: SensorStore) -> Cell:
    """The piece of work of which ``state.pt`` is the training's state when the first sensor is about to go."""
    settings = job.model_dump(mode="json", include={"data", "model", "training", "seed"}, exclude={"training": HOW_KEPT})
    identity = settings | job.sparsity.model_dump(mode="json", include=set(OF_SPARSITY)) | {"digest": store.manifest.digest}
    return Cell(f"seed-{job.seed}/warm-up", _warm_up, (job.model_dump(mode="json"), str(store.path)), identity)


def warm_state(job: JobSpec, store: SensorStore, root: Path, beat: Callable[[], None]) -> dict[str, Any]:
    """The state to continue from; trained here and kept under ``root`` where no other trial has done it."""
    folder, world = root / warm_cell(job, store).folder, current_world()
    if world.agree(folder.exists()):
        return _unpacked(load_product(folder).files)
    product = _warm_up(job.model_dump(mode="json"), str(store.path), beat)
    if world.rank == 0:
        save_product(folder, product)
    return _unpacked(product.files)


def _warm_up(document: dict[str, Any], store: str, beat: Callable[[], None] = lambda: None) -> Product:
    comparison = comparison_of(JobSpec.model_validate(document), store)
    learned = comparison.learned()
    for _ in learned.training.run(comparison.warm_epochs(learned)):
        beat()
    packed = BytesIO()
    torch.save(learned.training.state_dict(), packed)
    return Product([{"stage": "warm-up", "steps": learned.training.step}], {STATE: packed.getvalue()})


def _unpacked(files: Files) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(BytesIO(files[STATE]), weights_only=True)
    return state


def comparison_of(job: JobSpec, store_path: str) -> Comparison:
    """A process scales the series once for all trials that see it alike."""
    settings = JobSpec(name=job.name, data=job.data, model=job.model).model_dump_json()
    store, dataset = _opened(store_path, settings)
    return Comparison(dataset, store.edges, job.model, job.training, job.sparsity, job.search, job.seed, current_world())


@lru_cache(maxsize=1)
def _opened(store_path: str, settings: str) -> Any:
    job, store = JobSpec.model_validate_json(settings), open_store(Path(store_path))
    return store, make_dataset(store, job.model, plan_job(job, store))
