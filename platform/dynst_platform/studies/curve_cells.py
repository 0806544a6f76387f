"""The pieces of a sparsity–error curve, each a pure function that Ray may run anywhere; rows are tidy and plain."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from dynst.build import make_dataset
from dynst.curve import LEARNED, Chosen, Curve, Point
from dynst.data.store import SensorStore, open_store
from dynst.forecaster import SparseForecaster
from dynst.naive import persistence_errors, seasonal_naive_errors
from dynst.training.evaluate import evaluate
from dynst.training.loop import Training
from dynst.training.recipe import HOW_KEPT
from dynst_platform.given import read_choice
from dynst_platform.spec import JobSpec
from dynst_platform.stores import plan_job
from dynst_platform.studies.study import Cell, Files, Product

__all__ = ["curve_cells", "dense_cell", "study_basis"]

NETWORK = "network.safetensors"
Row = dict[str, Any]


def curve_cells(job: JobSpec, store: SensorStore) -> list[Cell]:
    """Everything that ``job.curve`` asks for: for each seed the networks, then the choices at each sparsity."""
    return [cell for seed in job.curve.seeds for cell in _seed_cells(job, store, seed)]


def _seed_cells(job: JobSpec, store: SensorStore, seed: int) -> Iterator[Cell]:
    spec, where = job.curve, (job.model_dump(mode="json"), str(store.path), seed)
    basis = study_basis(job, store) | {"seed": seed}
    shared = f"seed-{seed}/shared"
    if spec.dense:
        yield dense_cell(job, store, seed, job.training.epochs + spec.fine_tune_epochs)
    yield Cell(shared, _shared, where, basis)
    for sparsity in spec.sparsities:
        tuned = spec.fine_tune_epochs if sparsity in (spec.fine_tune_at or spec.sparsities) else 0
        identity = basis | {"sparsity": sparsity, "fine_tune_epochs": tuned}
        for choice in (LEARNED, *spec.baselines):
            own = job.search.model_dump() if choice == LEARNED else {"windows": job.search.windows, "random": spec.random}
            name = f"seed-{seed}/{choice}-{sparsity:g}"
            yield Cell(name, _choice, (*where, choice, sparsity, tuned), identity | {"choice": choice, "own": own}, shared)
    if spec.given is not None:
        active = read_choice(spec.given, store.sensors.ids).nonzero().squeeze(1).tolist()
        identity = basis | {"given": active, "sparsities": spec.sparsities, "windows": job.search.windows}
        identity |= {"fine_tune_epochs": spec.fine_tune_epochs}
        yield Cell(f"seed-{seed}/given", _given, (*where, active, spec.fine_tune_epochs), identity, shared)


def dense_cell(job: JobSpec, store: SensorStore, seed: int, epochs: int) -> Cell:
    """The reference that reads everything, and the naive ones beside it."""
    where = (job.model_dump(mode="json"), str(store.path), seed, epochs)
    return Cell(f"seed-{seed}/dense", _dense, where, study_basis(job, store) | {"seed": seed, "epochs": epochs})


def study_basis(job: JobSpec, store: SensorStore) -> dict[str, Any]:
    """What every piece of a study depends on."""
    settings = job.model_dump(mode="json", include={"data", "model", "training"}, exclude={"training": HOW_KEPT})
    demands = {"dropout_density", "min_distance", "pinned", "excluded"}
    return settings | job.sparsity.model_dump(mode="json", include=demands) | {"digest": store.manifest.digest}


def _dense(job: dict[str, Any], store: str, seed: int, epochs: int) -> Product:
    curve = _curve(store, seed, JobSpec.model_validate(job))
    training = curve.dense_training(epochs)
    row = {"stage": "dense", "seconds": _run(training)}
    row |= {"val_mae": training.best[0] if training.best else float("nan")}
    row |= _errors(curve, training.model, training.scheme.active)
    dataset = curve.dataset
    naive = {"persistence": persistence_errors, "seasonal_naive": seasonal_naive_errors}
    rows = [row | {"seed": seed}]
    for name, errors_of in naive.items():
        errors = errors_of(dataset.test, dataset.scaler)
        if errors is not None:
            rows.append({"stage": name, "seed": seed, "mae_all": errors.mae(), "rmse_all": errors.rmse()})
    return Product(rows)


def _shared(job: dict[str, Any], store: str, seed: int) -> Product:
    curve = _curve(store, seed, JobSpec.model_validate(job))
    training = curve.shared_training()
    row = {"stage": "shared", "seed": seed, "seconds": _run(training)}
    row |= _errors(curve, training.model, training.scheme.active)
    return Product([row], {NETWORK: save(training.model.state_dict())})


def _choice(job: dict[str, Any], store: str, seed: int, choice: str, sparsity: float, epochs: int, files: Files) -> Product:
    spec = JobSpec.model_validate(job)
    curve = _curve(store, seed, spec)
    shared = _load(curve, files)
    judge = curve.chooser.judge(shared, curve.search)
    if choice == LEARNED:
        found = [curve.learned(judge, sparsity)]
    else:
        draws = spec.curve.random if choice == "random" else 1
        found = [curve.ranked(choice, number, judge, sparsity) for number in range(draws)]
    return Product(_points(curve, shared, found, epochs))


def _given(job: dict[str, Any], store: str, seed: int, active: list[int], epochs: int, files: Files) -> Product:
    spec = JobSpec.model_validate(job)
    curve = _curve(store, seed, spec)
    shared = _load(curve, files)
    chosen = curve.given(active, curve.chooser.judge(shared, curve.search), spec.curve.sparsities)
    return Product(_points(curve, shared, [chosen], epochs))


def _points(curve: Curve, shared: SparseForecaster, found: list[Chosen], epochs: int) -> list[Row]:
    rows = [_row("as it is", curve.seed, curve.as_it_is(shared, chosen)) for chosen in found]
    if epochs:
        rows += [_row("fine-tuned", curve.seed, curve.fine_tuned(shared, chosen, epochs)) for chosen in found]
    return rows


def _load(curve: Curve, files: Files) -> SparseForecaster:
    shared = curve.forecaster()
    shared.load_state_dict(load(files[NETWORK]))
    return shared


@lru_cache(maxsize=1)
def _curve_of(store: str, seed: int, job: str) -> Curve:
    spec, opened = JobSpec.model_validate_json(job), open_store(Path(store))
    dataset = make_dataset(opened, spec.model, plan_job(spec, opened))
    return Curve(opened, dataset, spec.model, spec.training, sparsity=spec.sparsity, search=spec.search, seed=seed)


def _curve(store: str, seed: int, job: JobSpec) -> Curve:
    """A worker does one cell after another, mostly of one seed, and scales the series once."""
    return _curve_of(store, seed, job.model_dump_json())


def _run(training: Training) -> float:
    started = perf_counter()
    for _ in training.run():
        pass
    return perf_counter() - started


def _errors(curve: Curve, model: SparseForecaster, active: Tensor) -> Row:
    errors = evaluate(model, curve.dataset.test, active)
    return {"mae_all": errors.mae(), "rmse_all": errors.rmse(), "wape_all": errors.wape()}


def _row(stage: str, seed: int, point: Point) -> Row:
    chosen, errors = point.chosen, point.errors
    return _chosen_row(chosen) | {
        "stage": stage,
        "seed": seed,
        "mae_all": errors.mae(),
        "mae_active": errors.mae(chosen.active),
        "mae_inactive": errors.mae(~chosen.active),
        "rmse_all": errors.rmse(),
        "wape_all": errors.wape(),
        "tuning_seconds": point.seconds,
    }


def _chosen_row(chosen: Chosen) -> Row:
    return {
        "choice": chosen.name,
        "number": chosen.number,
        "sparsity": chosen.sparsity,
        "judged": chosen.judged,
        "choice_seconds": chosen.seconds,
        "active": chosen.active.nonzero().squeeze(1).tolist(),
    }
