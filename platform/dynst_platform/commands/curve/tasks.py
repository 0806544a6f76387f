"""The tasks of a sparsity–error curve, each a pure function that Ray may run anywhere.

Rows are tidy and plain.
"""

from collections.abc import Iterator
from math import nan

from safetensors.torch import load, save

from dynst.data.store import SensorStore
from dynst.devices import module_on, to_cpu
from dynst.experiment.experiment import Experiment
from dynst.experiment.protocol import error_figures
from dynst.experiment.supernet import LEARNED, NESTED, RERUN, Choice, Point, Supernet
from dynst.models.forecaster import SparseForecaster
from dynst_platform.config.experiment import experiment_of
from dynst_platform.config.job import JobSpec
from dynst_platform.config.sensor_choice import read_choice
from dynst_platform.config.values import Document
from dynst_platform.reports import SelectionReport
from dynst_platform.studies.references import (
    FIGURES,
    dense_task,
    errors_of_all,
    run_to_the_end,
    study_basis,
)
from dynst_platform.studies.tasks import Files, Row, Task, TaskResult

__all__ = ["curve_tasks"]

NETWORK = "network.safetensors"


def curve_tasks(job: JobSpec, store: SensorStore) -> list[Task]:
    """Everything that ``job.curve`` asks for: for each seed the networks, then the choices at each
    sparsity.
    """
    return [task for seed in job.curve.seeds for task in _seed_tasks(job, store, seed)]


def _seed_tasks(job: JobSpec, store: SensorStore, seed: int) -> Iterator[Task]:
    spec, where = job.curve, (job, str(store.path), seed)
    shared, basis = f"seed-{seed}/shared", study_basis(job, store) | {"seed": seed}
    if spec.dense:
        yield dense_task(job, store, seed, job.training.epochs + spec.fine_tune_epochs)
    basis |= {"marks": store.marks_digest, "withhold": job.search.withhold}
    yield Task(shared, _shared, where, basis)
    tuned_at = {
        sparsity: spec.fine_tune_epochs if sparsity in (spec.fine_tune_at or spec.sparsities) else 0
        for sparsity in spec.sparsities
    }
    for sparsity, tuned in tuned_at.items():
        identity: Document = basis | {"sparsity": sparsity, "fine_tune_epochs": tuned}
        identity |= {"decisions": store.decisions_digest}
        if spec.reruns:
            search: Document = job.search.model_dump() | {"reruns": spec.reruns}
            name = f"seed-{seed}/{RERUN}-{sparsity:g}"
            yield Task(name, _reruns, (*where, sparsity), identity | {"own": search}, shared)
        for choice in (LEARNED, *spec.baselines):
            own: Document = (
                job.search.model_dump()
                if choice == LEARNED
                else {"windows": job.search.windows, "random": spec.random}
            )
            name = f"seed-{seed}/{choice}-{sparsity:g}"
            yield Task(
                name,
                _choice,
                (*where, choice, sparsity, tuned),
                identity | {"choice": choice, "own": own},
                shared,
            )
    if spec.nested:
        identity = basis | {"tuned_at": [list(pair) for pair in sorted(tuned_at.items())]}
        identity |= {"decisions": store.decisions_digest, "own": job.search.model_dump()}
        yield Task(f"seed-{seed}/{NESTED}", _nested, (*where, tuned_at), identity, shared)
    if spec.given is not None:
        active = read_choice(spec.given, store.sensors.ids).nonzero().squeeze(1).tolist()
        identity = basis | {
            "given": active,
            "sparsities": list(spec.sparsities),
            "windows": job.search.windows,
        }
        identity |= {"fine_tune_epochs": spec.fine_tune_epochs}
        yield Task(
            f"seed-{seed}/given", _given, (*where, active, spec.fine_tune_epochs), identity, shared
        )


def _shared(job: JobSpec, store: str, seed: int) -> TaskResult:
    supernet = _supernet(job, store, seed)
    training = supernet.training()
    row: Row = {"stage": "shared", "seed": seed, "seconds": run_to_the_end(training)}
    row |= errors_of_all(supernet.experiment, training.model, training.scheme.active)
    return TaskResult([row], {NETWORK: save(to_cpu(training.model.state_dict()))})


def _choice(
    job: JobSpec,
    store: str,
    seed: int,
    choice: str,
    sparsity: float,
    epochs: int,
    files: Files,
) -> TaskResult:
    supernet = _supernet(job, store, seed)
    network = _load(supernet.experiment, files)
    evaluator = supernet.evaluator(network)
    if choice == LEARNED:
        found = [supernet.learned(evaluator, sparsity)]
    else:
        draws = job.curve.random if choice == "random" else 1
        found = [supernet.ranked(choice, number, evaluator, sparsity) for number in range(draws)]
    return TaskResult(_points(supernet, network, found, epochs))


def _reruns(job: JobSpec, store: str, seed: int, sparsity: float, files: Files) -> TaskResult:
    supernet = _supernet(job, store, seed)
    network = _load(supernet.experiment, files)
    found = supernet.reruns(supernet.evaluator(network), sparsity, job.curve.reruns)
    return TaskResult(_points(supernet, network, found, epochs=0))


def _nested(
    job: JobSpec, store: str, seed: int, tuned_at: dict[float, int], files: Files
) -> TaskResult:
    supernet = _supernet(job, store, seed)
    network = _load(supernet.experiment, files)
    found = supernet.nested(supernet.evaluator(network), list(tuned_at))
    return TaskResult(
        [
            row
            for choice in found
            for row in _points(supernet, network, [choice], tuned_at[choice.sparsity])
        ]
    )


def _given(
    job: JobSpec, store: str, seed: int, active: list[int], epochs: int, files: Files
) -> TaskResult:
    supernet = _supernet(job, store, seed)
    network = _load(supernet.experiment, files)
    choice = supernet.given(active, supernet.evaluator(network), job.curve.sparsities)
    return TaskResult(_points(supernet, network, [choice], epochs))


def _points(
    supernet: Supernet, network: SparseForecaster, found: list[Choice], epochs: int
) -> list[Row]:
    seed = supernet.experiment.config.seed
    rows = [_row("as it is", seed, supernet.as_it_is(network, choice)) for choice in found]
    if epochs:
        rows += [
            _row("fine-tuned", seed, supernet.fine_tuned(network, choice, epochs))
            for choice in found
        ]
    return rows


def _supernet(job: JobSpec, store: str, seed: int) -> Supernet:
    return Supernet(experiment_of(job.model_copy(update={"seed": seed}), store))


def _load(experiment: Experiment, files: Files) -> SparseForecaster:
    network = experiment.forecaster()
    network.load_state_dict(load(files[NETWORK]))
    return module_on(network, experiment.world.device)


def _row(stage: str, seed: int, point: Point) -> Row:
    errors = error_figures(point.errors, point.choice.active)
    own: Row = {"stage": stage, "seed": seed, "tuning_seconds": point.seconds}
    return _choice_row(point.choice) | own | {name: errors.get(name, nan) for name in FIGURES}


def _choice_row(choice: Choice) -> Row:
    return _verdict_row(choice) | {
        "choice": choice.name,
        "number": choice.number,
        "sparsity": choice.sparsity,
        "search_loss": choice.search_loss,
        "choice_seconds": choice.seconds,
        "active": choice.active.nonzero().squeeze(1).tolist(),
    }


def _verdict_row(choice: Choice) -> Row:
    """Which rule a search's choice was held against, and whether it was taken."""
    if choice.verdict is None:
        return {}
    report = SelectionReport.of(choice.verdict, block="")
    known: Row = {name.replace("/", "_"): value for name, value in report.figures().items()}
    blocks: Row = {"search_blocks": report.blocks} if report.blocks else {}
    return known | blocks | {"rule": report.rule}
