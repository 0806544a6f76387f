"""How every arm is run, whoever asks: warm up, select, train, evaluate, describe.

``dynst train``, ``curve``, ``ablate``, ``tune``, a promotion's measurement and the capacity
estimate all come here, so that their figures can be compared. A caller that must do more between
two epochs, such as write a checkpoint, gives its own ``run``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dynst.data.manifest import Patching
from dynst.data.store import SensorStore
from dynst.devices import CPU, module_on
from dynst.errors import ConfigError
from dynst.evaluation.efficiency import Efficiency, measure_efficiency
from dynst.evaluation.error_table import ErrorTable
from dynst.evaluation.evaluate import evaluate as evaluate_windows
from dynst.evaluation.image_metrics import FrameScores, evaluate_frames
from dynst.evaluation.ridge import fit_ridge
from dynst.evaluation.summary import overall_errors, sensor_groups
from dynst.experiment.arms import Arm
from dynst.experiment.experiment import Experiment
from dynst.models.artifact import Description, save_artifact
from dynst.models.forecaster import SparseForecaster
from dynst.random_streams import Stream, generator
from dynst.selection.search import SelectionResult
from dynst.selection.subset_evaluator import SubsetEvaluator
from dynst.training.trainer import EpochResult, TrainingState

__all__ = [
    "Evaluation",
    "RunEpochs",
    "arm_errors",
    "describe",
    "error_figures",
    "evaluate",
    "model_errors",
    "prepare",
    "present_errors",
    "ridge_errors",
    "run_epochs",
    "save_arm",
    "search",
    "select",
    "time_inference",
    "train",
]

LEFT_OUT = 10  # parts of the active sensors, of which one at a time is not read
OnEpoch = Callable[[EpochResult], object]
RunEpochs = Callable[[Arm, int | None], object]
"""Trains an arm from wherever it is until the end of an epoch, or to its end: ``run_epochs``, or
one that does more on the way.
"""


def run_epochs(
    arm: Arm,
    until_epoch: int | None = None,
    on_epoch: OnEpoch | None = None,
) -> None:
    """Train from wherever the arm is; ``on_epoch`` receives each epoch's result."""
    for report in arm.training.run(until_epoch):
        if on_epoch is not None:
            on_epoch(report)


def prepare(
    experiment: Experiment,
    arm: Arm,
    *,
    run: RunEpochs = run_epochs,
    warm: TrainingState | None = None,
    on_warm: Callable[[Arm], object] | None = None,
    on_other: OnEpoch | None = None,
) -> SelectionResult | None:
    """Warm up and select, so that only sensors which stay are left to be trained on.

    Args:
        experiment: what the arm belongs to.
        arm: at its first step.
        run: trains until an epoch.
        warm: the state of another arm's training at the end of the same warm-up, which is then not
            repeated.
        on_warm: called when the warm-up is over and nothing is selected yet.
        on_other: receives each epoch of the other networks that vote, where there are any.

    Returns:
        What the search found, where the scheme is one.
    """
    if warm is None:
        run(arm, experiment.warm_epochs(arm))
    else:
        arm.training.continue_from_state(warm)
    if on_warm is not None:
        on_warm(arm)
    return select(experiment, arm, on_other)


def select(
    experiment: Experiment, arm: Arm, on_other: OnEpoch | None = None
) -> SelectionResult | None:
    """Where the scheme is a search, fix the sensors that it finds.

    With ``search.seeds`` above 1 other networks are trained up to here, and vote. The other schemes
    select while they train.
    """
    if experiment.config.sparsity.scheme != "searched":
        return None
    evaluator, found = search(experiment, arm)
    if experiment.config.search.seeds > 1:
        others = _other_searches(experiment, on_other)
        ends = [found.end, *(other.end for other in others)]
        found = experiment.selector.agreed(evaluator, experiment.search_problem, ends)
    active = experiment.world.broadcast(found.active.float()).bool()
    arm.training.decide(active, experiment.world.broadcast(evaluator.importance(active)))
    return found


def search(experiment: Experiment, arm: Arm) -> tuple[SubsetEvaluator, SelectionResult]:
    """What the search finds by the arm's network as it is, and the evaluator that it asked.

    Nothing is fixed.

    Ranks share the work.
    """
    config = experiment.config
    evaluator = experiment.selector.evaluator(arm.training.model, config.search, experiment.world)
    return evaluator, experiment.selector.search(evaluator, experiment.search_problem)


def _other_searches(experiment: Experiment, on_epoch: OnEpoch | None) -> Iterator[SelectionResult]:
    """Of the following seeds, each by a network with a warm-up of its own."""
    for number in range(1, experiment.config.search.seeds):
        other = experiment.of_seed(experiment.config.seed + number)
        arm = other.learned()
        run_epochs(arm, other.warm_epochs(arm), on_epoch)
        yield search(other, arm)[1]


def train(experiment: Experiment, arm: Arm, *, run: RunEpochs = run_epochs) -> Arm:
    """Warm up, select, and train to the end.

    Args:
        experiment: what the arm belongs to.
        arm: a fresh one, such as ``experiment.learned()``.
        run: trains until an epoch; a caller's own may do more on the way.

    Returns:
        The same arm, trained.

    Raises:
        ConfigError: no choice of sensors satisfies the constraints.

    Example:
        >>> arm = train(experiment, experiment.learned())  # doctest: +SKIP
        >>> int(arm.active.sum())  # doctest: +SKIP
        14
    """
    prepare(experiment, arm, run=run)
    run(arm, None)
    return arm


@dataclass(frozen=True)
class Evaluation:
    """Over the test part, ALL locations counted.

    Args:
        errors: by horizon step, location and channel, in raw units.
        images: structural similarity and peak signal-to-noise ratio of a grid's frames; empty for
            other networks.
    """

    errors: ErrorTable
    images: dict[str, float]


def evaluate(experiment: Experiment, arm: Arm) -> Evaluation:
    """Forecast the test part from the sensors that are on; every rank takes part.

    Args:
        experiment: what the arm belongs to.
        arm: a trained one.

    Returns:
        Errors over all locations, those whose sensor is off included.

    Example:
        >>> found = evaluate(experiment, arm)  # doctest: +SKIP
        >>> found.errors.mae(), found.errors.mae(~arm.active)  # doctest: +SKIP
        (50.2, 33.0)
    """
    errors, layout, ranges = (
        arm_errors(experiment, arm),
        experiment.store.manifest.layout,
        experiment.image_ranges,
    )
    if layout is None or ranges is None:
        return Evaluation(errors, {})
    scores = _frame_scores(experiment, arm, layout, ranges)
    return Evaluation(errors, {"ssim": scores.ssim, "psnr": scores.psnr})


def _frame_scores(
    experiment: Experiment, arm: Arm, layout: Patching, ranges: Tensor
) -> FrameScores:
    """Of a cut network whose workers have a part each the first one makes the frames, since they
    show all of it.
    """
    world, test = experiment.world, experiment.dataset.test
    if arm.training.model.reach is None:
        return evaluate_frames(arm.training.model, test, arm.active, layout, ranges, world)
    whole = arm.training.whole_model()
    scores = (
        FrameScores.zeros(CPU)
        if whole is None
        else evaluate_frames(whole, test, arm.active, layout, ranges)
    )
    return FrameScores(*(world.broadcast(sums) for sums in vars(scores).values()))


def arm_errors(experiment: Experiment, arm: Arm) -> ErrorTable:
    """The errors alone, where nobody asks for image metrics."""
    return model_errors(experiment, arm.training.model, arm.active)


def model_errors(experiment: Experiment, model: SparseForecaster, active: Tensor) -> ErrorTable:
    """On the test part, of any network of the experiment's data that reads the sensors ``active``
    (bool ``[S]``).
    """
    return evaluate_windows(model, experiment.dataset.test, active, experiment.world)


def present_errors(experiment: Experiment, model: SparseForecaster, active: Tensor) -> ErrorTable:
    """Of the present step on the test part, at every location without its own reading.

    At a location whose sensor is off the others are read. The sensors that are on are left out a
    tenth at a time, and count while they are.

    Args:
        experiment: of which the data are.
        model: a trained one with a present step.
        active: bool ``[S]``, the sensors that are on.

    Raises:
        ConfigError: the model has no present step.
    """
    now, windows = model.at_present(), experiment.dataset.test.at_present()
    table = evaluate_windows(now, windows, active, experiment.world)
    places = active.nonzero().squeeze(1)
    chance = generator(experiment.config.seed, Stream.LEFT_OUT)
    shuffled = places[torch.randperm(len(places), generator=chance)]
    for fold in shuffled.tensor_split(min(LEFT_OUT, len(places))) if len(places) > 1 else ():
        off = torch.zeros_like(active)
        off[fold] = True
        left = evaluate_windows(now, windows, active & ~off, experiment.world)
        for whole, part in zip(table.sums, left.sums, strict=True):
            whole[:, off] = part[:, off]
    return table


def ridge_errors(experiment: Experiment, active: Tensor) -> ErrorTable | None:
    """On the test part, of a linear regression that reads the sensors ``active`` (bool ``[S]``).

    None where there are too many of them. It is the caller's alone: ranks share no work.
    """
    data = experiment.dataset
    try:
        ridge = fit_ridge(data.train, data.val, data.scaler, active, experiment.world.device)
    except ConfigError:
        return None
    return evaluate_windows(ridge, data.test, active)


def error_figures(errors: ErrorTable, active: Tensor) -> dict[str, float]:
    """``mae_all``, ``mae_active`` and so on for each measure and group of sensors, in the unit of
    the first target.

    Without a sensor that is off there are no figures of inactive ones.
    """
    return overall_errors(errors, sensor_groups(active), ())


def time_inference(
    experiment: Experiment, arm: Arm, whole: SparseForecaster | None, **limits: Any
) -> Efficiency | None:
    """What the arm saves at inference, measured by the first rank while the others wait.

    None on those.

    Args:
        experiment: what the arm belongs to.
        arm: a trained one.
        whole: its ``training.whole_model()``.
        limits: of ``measure_efficiency``.
    """
    world = experiment.world
    timed = None
    if whole is not None and world.rank == 0:
        model = module_on(whole, world.device)
        timed = measure_efficiency(model, experiment.dataset.test, arm.active, **limits)
    world.all_reduce(torch.zeros(1))  # nobody goes on before the first rank has come here too
    return timed


def describe(experiment: Experiment, arm: Arm) -> Description:
    """All of a trained arm that is not a tensor, as it stands beside its weights."""
    store, season = experiment.store, arm.training.model.scaler.season
    return Description(
        model=experiment.config.model,
        sensors=store.sensors.ids,
        active=tuple(arm.active.tolist()),
        importance=tuple(arm.training.scheme.criterion.scores(arm.active).tolist()),
        channels=tuple(store.channel_names),
        units=tuple(channel.unit for channel in store.manifest.channels),
        targets=tuple(arm.training.train.targets.tolist()),
        season_period=season.period,
        season_slots=season.slots,
        season_step=season.step,
        step=store.manifest.step,
        clock=store.manifest.clock,
        data_digest=store.manifest.digest,
        patching=store.manifest.layout,
        blank=_blank(store),
    )


def save_arm(
    folder: Path | str, experiment: Experiment, arm: Arm, whole: SparseForecaster | None = None
) -> None:
    """Write a trained arm's model to disk.

    Args:
        folder: made where it is absent; ``load_artifact`` makes a forecaster of it again.
        experiment: what the arm belongs to.
        arm: a trained one.
        whole: its ``training.whole_model()``, where several workers have a part of it each.

    Example:
        >>> save_arm(Path("model"), experiment, arm)  # doctest: +SKIP
        >>> load_artifact(Path("model")).description.active_sensors  # doctest: +SKIP
    """
    store = experiment.store
    save_artifact(
        Path(folder),
        whole or arm.training.model,
        describe(experiment, arm),
        store.edges,
        store.sensors.positions,
    )


def _blank(store: SensorStore) -> tuple[tuple[int, int], ...]:
    """What a patch has no cell for, or no reading ever; a model's user is not asked for it."""
    if store.manifest.patching is None:
        return ()
    return tuple(
        (sensor, channel) for sensor, channel in np.argwhere(~store.ever_observed).tolist()
    )
