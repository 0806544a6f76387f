"""The pieces of an ablation: one whole training for each scheme, criterion, sparsity and seed, and the dense one."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any

from dynst.build import make_dataset
from dynst.comparison import Comparison
from dynst.data.store import SensorStore, open_store
from dynst.sparsity.config import at_sparsity
from dynst.sparsity.mask import MaskUpdate
from dynst.training.world import World
from dynst_platform.spec import JobSpec
from dynst_platform.stores import plan_job
from dynst_platform.studies.curve_cells import dense_cell, study_basis
from dynst_platform.studies.study import Cell, Product

__all__ = ["TRAINED", "ablation_cells"]

TRAINED = "trained"
NO_CRITERION = "none"  # of a judged choice


def ablation_cells(job: JobSpec, store: SensorStore) -> list[Cell]:
    return [cell for seed in job.ablation.seeds for cell in _seed_cells(job, store, seed)]


def _seed_cells(job: JobSpec, store: SensorStore, seed: int) -> Iterator[Cell]:
    yield dense_cell(job, store, seed, job.training.epochs)
    for scheme, criterion, sparsity in _variants(job):
        settings = at_sparsity(job.sparsity, sparsity).model_copy(update={"scheme": scheme})
        own = {"dropout": True} if criterion == NO_CRITERION else {"criterion": criterion}
        settings = settings.model_copy(update=own)
        document = job.model_copy(update={"sparsity": settings, "seed": seed}).model_dump(mode="json")
        identity = study_basis(job, store) | {"seed": seed, "sparsity": document["sparsity"], "search": document["search"]}
        name = f"seed-{seed}/{scheme}-{criterion}-{sparsity:g}"
        yield Cell(name, _train, (document, str(store.path), criterion), identity)


def _variants(job: JobSpec) -> Iterator[tuple[str, str, float]]:
    """A judged choice asks no criterion and stands there once, with the sensor dropout that makes a judge of its network."""
    spec = job.ablation
    for scheme in spec.schemes:
        yield from product([scheme], [NO_CRITERION] if scheme == "judged" else spec.criteria, spec.sparsities)


def _train(document: dict[str, Any], store_path: str, criterion: str) -> Product:
    job, store = JobSpec.model_validate(document), open_store(Path(store_path))
    dataset = make_dataset(store, job.model, plan_job(job, store))
    comparison = Comparison(dataset, store.edges, job.model, job.training, job.sparsity, job.search, job.seed, World())
    arm, started = comparison.learned(), perf_counter()
    updates: list[MaskUpdate] = []
    for epoch in arm.training.run(comparison.warm_epochs(arm)):
        updates += epoch.updates
    comparison.decide(arm)
    for epoch in arm.training.run():
        updates += epoch.updates
    errors = arm.test_errors(dataset)
    row = {
        "stage": TRAINED,
        "seed": job.seed,
        "sparsity": job.sparsity.final,
        "scheme": job.sparsity.scheme,
        "criterion": criterion,
        "mae_all": errors.mae(),
        "mae_active": errors.mae(arm.active),
        "mae_inactive": errors.mae(~arm.active),
        "rmse_all": errors.rmse(),
        "wape_all": errors.wape(),
        "exchanged": sum(len(update.grown) for update in updates),
        "seconds": perf_counter() - started,
        "active": arm.active.nonzero().squeeze(1).tolist(),
    }
    return Product([row])
