"""The tasks of a sparsity–error curve, each a pure function that Ray may run anywhere.

Rows are tidy and plain.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import nan
from time import perf_counter

import torch
from safetensors.torch import load, save

from dynst.data.store import SensorStore
from dynst.devices import module_on, to_cpu
from dynst.evaluation.error_table import ErrorTable
from dynst.evaluation.ridge import PROFILE, RIDGE, profile_errors
from dynst.experiment.experiment import Experiment
from dynst.experiment.protocol import error_figures, ridge_errors
from dynst.experiment.supernet import CONSENSUS, LEARNED, NESTED, RERUN, Choice, Point, Supernet
from dynst.models.forecaster import SparseForecaster
from dynst.selection.comparison import compare
from dynst.selection.subset_evaluator import SubsetEvaluator
from dynst.training.trainer import Training
from dynst_platform.commands.curve.summary import BY_LOCATION, STAGES
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

DECIDING, COMPLETE = "deciding.safetensors", "complete.safetensors"  # the networks of a seed


def curve_tasks(job: JobSpec, store: SensorStore) -> list[Task]:
    """Everything that ``job.curve`` asks for: for each seed the networks, then the choices at each
    sparsity.
    """
    tasks = [task for seed in job.curve.seeds for task in _seed_tasks(job, store, seed)]
    if job.curve.consensus and len(job.curve.seeds) > 1:
        tasks += _consensus_tasks(job, {task.name: task for task in tasks})
    return tasks


def _seed_tasks(job: JobSpec, store: SensorStore, seed: int) -> Iterator[Task]:
    spec, where = job.curve, (job, str(store.path), seed)
    shared, basis = f"seed-{seed}/shared", study_basis(job, store) | {"seed": seed}
    if spec.dense:
        yield dense_task(job, store, seed, job.training.epochs + spec.fine_tune_epochs)
    basis |= {"marks": store.marks_digest, "withhold": job.search.withhold}
    yield Task(shared, _shared, where, basis)
    networks: tuple[str, ...] = (shared,)
    if job.search.withhold:
        networks += (f"seed-{seed}/complete",)
        yield Task(networks[-1], _complete, where, basis)
    choosing = basis | {"decisions": store.decisions_digest}
    tuned_at = {
        sparsity: spec.fine_tune_epochs if sparsity in (spec.fine_tune_at or spec.sparsities) else 0
        for sparsity in spec.sparsities
    }
    search: Document = job.search.model_dump()
    sparser: list[float] = []
    for sparsity in sorted(tuned_at, reverse=True):
        identity = _point_identity(choosing, sparsity, tuned_at) | {"own": search}
        name = f"seed-{seed}/{LEARNED}-{sparsity:g}"
        before = (f"seed-{seed}/{LEARNED}-{sparser[-1]:g}",) if sparser else ()
        yield Task(
            name,
            _learned,
            (*where, sparsity, tuned_at[sparsity]),
            identity | {"sparser": list(sparser)},
            (*networks, *before),
        )
        sparser.append(sparsity)
    for sparsity, tuned in tuned_at.items():
        identity = _point_identity(choosing, sparsity, tuned_at)
        if spec.reruns:
            own: Document = search | {"reruns": spec.reruns}
            name = f"seed-{seed}/{RERUN}-{sparsity:g}"
            yield Task(name, _reruns, (*where, sparsity), identity | {"own": own}, networks)
        for choice in spec.baselines:
            own = {"windows": job.search.windows, "random": spec.random}
            name = f"seed-{seed}/{choice}-{sparsity:g}"
            yield Task(
                name,
                _ranked,
                (*where, choice, sparsity, tuned),
                identity | {"choice": choice, "own": own},
                networks,
            )
    if spec.nested:
        identity = choosing | {"tuned_at": [list(pair) for pair in sorted(tuned_at.items())]}
        name = f"seed-{seed}/{NESTED}"
        yield Task(name, _nested, (*where, tuned_at), identity | {"own": search}, networks)
    if spec.given is not None:
        yield _given_task(job, store, seed, choosing, networks)


def _consensus_tasks(job: JobSpec, known: Mapping[str, Task]) -> Iterator[Task]:
    """For each seed and sparsity, once all seeds have chosen."""
    for seed in job.curve.seeds:
        for sparsity in job.curve.sparsities:
            own = known[f"seed-{seed}/{LEARNED}-{sparsity:g}"]
            of_seeds = [known[f"seed-{each}/{LEARNED}-{sparsity:g}"] for each in job.curve.seeds]
            networks = tuple(name for name in own.needs if f"/{LEARNED}-" not in name)
            yield Task(
                f"seed-{seed}/{CONSENSUS}-{sparsity:g}",
                _consensus,
                own.arguments,
                own.identity | {"consensus": [task.identity for task in of_seeds]},
                (*networks, *(task.name for task in of_seeds)),
            )


def _point_identity(basis: Document, sparsity: float, tuned_at: dict[float, int]) -> Document:
    return basis | {"sparsity": sparsity, "fine_tune_epochs": tuned_at[sparsity]}


def _given_task(
    job: JobSpec, store: SensorStore, seed: int, basis: Document, networks: tuple[str, ...]
) -> Task:
    spec = job.curve
    assert spec.given is not None
    active = read_choice(spec.given, store.sensors.ids).nonzero().squeeze(1).tolist()
    own: Document = {
        "given": active,
        "sparsities": list(spec.sparsities),
        "windows": job.search.windows,
        "fine_tune_epochs": spec.fine_tune_epochs,
    }
    where = (job, str(store.path), seed, active, spec.fine_tune_epochs)
    return Task(f"seed-{seed}/given", _given, where, basis | own, networks)


def _shared(job: JobSpec, store: str, seed: int) -> TaskResult:
    """The supernet that decides. Where no block of time is withheld from it, the errors are its
    own; else they are those of ``_complete``.
    """
    supernet = _supernet(job, store, seed)
    row, weights = _trained(supernet, "shared", supernet.training())
    data, device = supernet.experiment.dataset, supernet.experiment.world.device
    errors = profile_errors(data.test, data.scaler, device)
    profile: Row = {"stage": PROFILE, "seed": seed}
    profile |= {"mae_all": errors.mae(), "rmse_all": errors.rmse(), **_by_location(errors)}
    names = (DECIDING,) if job.search.withhold else (DECIDING, COMPLETE)
    return TaskResult([row, profile], dict.fromkeys(names, weights))


def _complete(job: JobSpec, store: str, seed: int) -> TaskResult:
    """The supernet that was trained on all of the training part; it takes no part in choosing."""
    supernet = _supernet(job, store, seed)
    row, weights = _trained(supernet, "complete", supernet.training(withhold=False))
    return TaskResult([row], {COMPLETE: weights})


def _trained(supernet: Supernet, stage: str, training: Training) -> tuple[Row, bytes]:
    seconds, seed = run_to_the_end(training), supernet.experiment.config.seed
    row: Row = {"stage": stage, "seed": seed, "seconds": seconds}
    row |= errors_of_all(supernet.experiment, training.model, training.scheme.active)
    return row, save(to_cpu(training.model.state_dict()))


def _learned(
    job: JobSpec, store: str, seed: int, sparsity: float, epochs: int, files: Files
) -> TaskResult:
    """The search's choice, the best rule's, and a ridge regression that reads the same sensors.

    ``files`` has the choice that keeps the next fewer sensors.
    """
    supernet = _supernet(job, store, seed)
    evaluator, network = _networks(supernet, files)
    before = [content for name, content in files.items() if name not in (DECIDING, COMPLETE)]
    sparser = load(before[0])["active"] if before else None
    choice = supernet.learned(evaluator, sparsity, sparser)
    points = dict(_stages(supernet, network, choice, epochs))
    rows = [
        _point_row(stage, seed, point) | _by_location(point.errors)
        for stage, point in points.items()
    ]
    rule = supernet.best_rule(choice, evaluator)
    if rule is not None:
        same = torch.equal(rule.active, choice.active)
        ruled = (
            {stage: replace(point, choice=rule) for stage, point in points.items()}
            if same
            else dict(_stages(supernet, network, rule, epochs))
        )
        rows = [
            row | _against(supernet, points[stage], ruled[stage])
            for row, stage in zip(rows, points, strict=True)
        ]
        rows += [_point_row(stage, seed, point) for stage, point in ruled.items()]
    rows += _ridge_rows(supernet.experiment, choice, list(points))
    masks = {"active": choice.active, "end": choice.end.clone()}
    return TaskResult(rows, {_choice_file(seed, sparsity): save(masks)})


def _consensus(
    job: JobSpec, store: str, seed: int, sparsity: float, epochs: int, files: Files
) -> TaskResult:
    supernet = _supernet(job, store, seed)
    evaluator, network = _networks(supernet, files)
    found = {each: load(files[_choice_file(each, sparsity)]) for each in job.curve.seeds}
    consensus = supernet.consensus([each["end"] for each in found.values()], evaluator, sparsity)
    others = [
        supernet.of_other_seed(other, choice["active"], evaluator, sparsity)
        for other, choice in found.items()
        if other != seed
    ]
    rows = _rows(supernet, network, [consensus], epochs)
    return TaskResult(rows + _rows(supernet, network, others, epochs=0))


def _choice_file(seed: int, sparsity: float) -> str:
    return f"choice-{seed}-{sparsity:g}.safetensors"


def _against(supernet: Supernet, learned: Point, ruled: Point) -> Row:
    """What the search's choice costs more than the rule's on the test part, relative to it, and
    one-sided 95 % bounds of that by blocks of time: of this network, whatever another training
    would give.
    """
    blocks = supernet.by_block(ruled)
    found, rule = compare(supernet.by_block(learned), blocks, winsorised=False), blocks.mean()
    bounds = {"over_rule_lower": found.lower() / rule, "over_rule_upper": found.upper() / rule}
    return {"over_rule": found.difference / rule, **bounds}


def _ridge_rows(experiment: Experiment, choice: Choice, stages: list[str]) -> list[Row]:
    """Of the least squares that read the same sensors; none where there are too many of them."""
    started, seed = perf_counter(), experiment.config.seed
    errors = ridge_errors(experiment, choice.active)
    if errors is None:
        return []
    own = replace(choice, name=RIDGE, seconds=perf_counter() - started, verdict=None)
    return [_row(stage, seed, own, errors) | _by_location(errors) for stage in stages]


def _by_location(errors: ErrorTable) -> Row:
    return {BY_LOCATION: errors.mae_by_sensor().tolist()}


def _ranked(
    job: JobSpec,
    store: str,
    seed: int,
    choice: str,
    sparsity: float,
    epochs: int,
    files: Files,
) -> TaskResult:
    supernet = _supernet(job, store, seed)
    evaluator, network = _networks(supernet, files)
    draws = job.curve.random if choice == "random" else 1
    found = [supernet.ranked(choice, number, evaluator, sparsity) for number in range(draws)]
    return TaskResult(_rows(supernet, network, found, epochs))


def _reruns(job: JobSpec, store: str, seed: int, sparsity: float, files: Files) -> TaskResult:
    supernet = _supernet(job, store, seed)
    evaluator, network = _networks(supernet, files)
    found = supernet.reruns(evaluator, sparsity, job.curve.reruns)
    return TaskResult(_rows(supernet, network, found, epochs=0))


def _nested(
    job: JobSpec, store: str, seed: int, tuned_at: dict[float, int], files: Files
) -> TaskResult:
    supernet = _supernet(job, store, seed)
    evaluator, network = _networks(supernet, files)
    found = supernet.nested(evaluator, list(tuned_at))
    return TaskResult(
        [
            row
            for choice in found
            for row in _rows(supernet, network, [choice], tuned_at[choice.sparsity])
        ]
    )


def _given(
    job: JobSpec, store: str, seed: int, active: list[int], epochs: int, files: Files
) -> TaskResult:
    supernet = _supernet(job, store, seed)
    evaluator, network = _networks(supernet, files)
    choice = supernet.given(active, evaluator, job.curve.sparsities)
    return TaskResult(_rows(supernet, network, [choice], epochs))


def _rows(
    supernet: Supernet, network: SparseForecaster, found: list[Choice], epochs: int
) -> list[Row]:
    seed = supernet.experiment.config.seed
    return [
        _point_row(stage, seed, point)
        for choice in found
        for stage, point in _stages(supernet, network, choice, epochs)
    ]


def _stages(
    supernet: Supernet, network: SparseForecaster, choice: Choice, epochs: int
) -> Iterator[tuple[str, Point]]:
    yield STAGES[0], supernet.as_it_is(network, choice)
    if epochs:
        yield STAGES[1], supernet.fine_tuned(network, choice, epochs)


def _supernet(job: JobSpec, store: str, seed: int) -> Supernet:
    return Supernet(experiment_of(job.model_copy(update={"seed": seed}), store))


def _networks(supernet: Supernet, files: Files) -> tuple[SubsetEvaluator, SparseForecaster]:
    """What choices are made with, and the network whose errors are reported."""
    deciding, complete = (_load(supernet.experiment, files[name]) for name in (DECIDING, COMPLETE))
    return supernet.evaluator(deciding), complete


def _load(experiment: Experiment, weights: bytes) -> SparseForecaster:
    network = experiment.forecaster()
    network.load_state_dict(load(weights))
    return module_on(network, experiment.world.device)


def _point_row(stage: str, seed: int, point: Point) -> Row:
    return _row(stage, seed, point.choice, point.errors) | {"tuning_seconds": point.seconds}


def _row(stage: str, seed: int, choice: Choice, errors: ErrorTable) -> Row:
    figures = error_figures(errors, choice.active)
    own: Row = {"stage": stage, "seed": seed}
    return _choice_row(choice) | own | {name: figures.get(name, nan) for name in FIGURES}


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
    return known | blocks | {"rule": report.rule, "extends": choice.verdict.extends}
