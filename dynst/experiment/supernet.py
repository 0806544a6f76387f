"""A supernet: one network, trained by sensor dropout from the first step to the last, that serves
any choice of sensors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from time import perf_counter

import torch
from torch import Tensor

from dynst.evaluation.error_table import ErrorTable
from dynst.experiment.experiment import Experiment
from dynst.experiment.protocol import model_errors
from dynst.models.forecaster import SparseForecaster
from dynst.selection.comparison import BlockErrors
from dynst.selection.search import SearchProblem, Verdict
from dynst.selection.subset_evaluator import SubsetEvaluator
from dynst.selection.time_blocks import blocks_of
from dynst.sparsity.config import at_sparsity, make_constraints, with_marks
from dynst.sparsity.constraints.base import Constraints
from dynst.sparsity.constraints.constrained import PinExclude
from dynst.sparsity.mask import num_active_at
from dynst.sparsity.scheme import SensorDropout, fixed_scheme, supernet_scheme
from dynst.training.trainer import Training

__all__ = [
    "CONSENSUS",
    "GIVEN",
    "LEARNED",
    "NESTED",
    "OTHER_SEED",
    "RERUN",
    "RULE",
    "Choice",
    "Point",
    "Supernet",
]

LEARNED, NESTED, RERUN = "dynst", "dynst_nested", "dynst_rerun"
CONSENSUS, OTHER_SEED = "dynst_consensus", "dynst_other_seed"
RULE, GIVEN = "best_rule", "given"
FINE_TUNING_RATE = 0.5  # of the recipe's learning rate


@dataclass(frozen=True)
class Choice:
    """A choice of sensors and what it took to find it.

    Args:
        name: of the method that made it.
        number: distinguishes draws of one method.
        sparsity: the share that is off, as it was asked for.
        active: bool ``[S]``.
        search_loss: the supernet's error on the windows of the search, in the unit of the
            first target.
        seconds: that the choice took.
        verdict: what a search's choice was held against; None of other choices.
    """

    name: str
    number: int
    sparsity: float
    active: Tensor
    search_loss: float
    seconds: float
    verdict: Verdict | None = None

    @property
    def end(self) -> Tensor:
        """Bool ``[S]``, where the search ended, whether that was taken or not."""
        return self.active if self.verdict is None else self.verdict.searched


@dataclass(frozen=True)
class Point:
    """What a choice costs on the test part.

    Args:
        choice: of sensors.
        errors: over ALL locations and by location.
        network: that forecast it.
        seconds: of fine-tuning, 0 without any.
    """

    choice: Choice
    errors: ErrorTable
    network: SparseForecaster
    seconds: float


class Supernet:
    """One model that serves any choice of sensors, and what each choice costs on it.

    The ``network`` that methods take is a forecaster trained by ``training``; a caller may train it
    once and keep its weights.

    Args:
        experiment: store, settings and seed.

    Example:
        >>> supernet = Supernet(experiment)  # doctest: +SKIP
        >>> training = supernet.training()  # doctest: +SKIP
        >>> for epoch in training.run(): pass  # doctest: +SKIP
        >>> evaluator = supernet.evaluator(training.model)  # doctest: +SKIP
        >>> choice = supernet.learned(evaluator, sparsity=0.5)  # doctest: +SKIP
        >>> supernet.as_it_is(training.model, choice).errors.mae()  # doctest: +SKIP
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment

    def training(self, *, withhold: bool = True) -> Training:
        """The training of the supernet itself: each step reads a random subset.

        Args:
            withhold: the blocks of time that choices are compared on, where the configuration
                withholds any.
        """
        experiment = self.experiment
        config = experiment.config.sparsity
        sensors = with_marks(config, experiment.dataset.network).sensors
        pinned = tuple(sensors.pinned.nonzero()[0].tolist())
        dropout = SensorDropout(experiment.total_steps, config.dropout_density, pinned)
        readable = PinExclude(torch.tensor(sensors.pinned), torch.tensor(sensors.excluded))
        return experiment.training(
            supernet_scheme(readable, dropout, experiment.config.seed),
            withheld_until=experiment.config.training.epochs if withhold else 0,
        )

    def fine_tuning(self, network: SparseForecaster, active: Tensor, epochs: int) -> Training:
        """The training of a copy of ``network`` on some sensors alone.

        Args:
            network: a trained supernet.
            active: bool ``[S]``, the sensors.
            epochs: to train.
        """
        recipe = self.experiment.config.training
        changes = {"epochs": epochs, "learning_rate": recipe.learning_rate * FINE_TUNING_RATE}
        training = self.experiment.training(fixed_scheme(active), recipe.model_copy(update=changes))
        training.model.load_state_dict(network.state_dict())
        return training

    def evaluator(self, network: SparseForecaster) -> SubsetEvaluator:
        """What the search asks for the loss of a choice.

        Args:
            network: a trained supernet.
        """
        return self.experiment.selector.evaluator(network, self.experiment.config.search)

    def constraints(self, sparsity: float, among: Tensor | None = None) -> Constraints:
        """What the configuration demands of a choice.

        Args:
            sparsity: the fraction of sensors that is off, in place of the configuration's.
            among: bool ``[S]``, the sensors that may stay on; by default all that may be read.
        """
        config, network = self.experiment.config.sparsity, self.experiment.dataset.network
        if among is not None:
            off = tuple(compress(network.sensors.ids, (~among).tolist()))
            config = config.model_copy(update={"excluded": off})
        return make_constraints(at_sparsity(config, sparsity), network)

    def problem(
        self, sparsity: float, among: Tensor | None = None, sparser: Tensor | None = None
    ) -> SearchProblem:
        """What a search looks for.

        Args:
            sparsity: the fraction of sensors that is off.
            among: bool ``[S]``, the sensors that may stay on; by default all that may be read.
            sparser: bool ``[S]``, a choice with fewer sensors; see ``SearchProblem``.
        """
        config, constraints = self.experiment.config, self.constraints(sparsity, among)
        return SearchProblem(constraints, sparsity, config.search, config.seed, sparser)

    def learned(
        self, evaluator: SubsetEvaluator, sparsity: float, sparser: Tensor | None = None
    ) -> Choice:
        """The choice that the search finds.

        Args:
            evaluator: of a trained supernet.
            sparsity: the fraction of sensors that is off.
            sparser: bool ``[S]``, a choice with fewer sensors; see ``SearchProblem``.
        """
        return self._searched(LEARNED, evaluator, self.problem(sparsity, sparser=sparser))

    def nested(self, evaluator: SubsetEvaluator, sparsities: Sequence[float]) -> list[Choice]:
        """Choices of which each keeps a part of the one before it: an order of switching off.

        Args:
            evaluator: of a trained supernet.
            sparsities: the fractions of sensors that are off.

        Returns:
            One for each sparsity, ascending.
        """
        found: list[Choice] = []
        for sparsity in sorted(sparsities):
            among = found[-1].active if found else None
            found.append(self._searched(NESTED, evaluator, self.problem(sparsity, among)))
        return found

    def reruns(self, evaluator: SubsetEvaluator, sparsity: float, runs: int) -> list[Choice]:
        """What the search finds again on halves of the blocks of time: how stable its choice is.

        Args:
            evaluator: of a trained supernet.
            sparsity: the fraction of sensors that is off.
            runs: how many.
        """
        started = perf_counter()
        found = self.experiment.selector.reruns(evaluator, self.problem(sparsity), runs)
        seconds = (perf_counter() - started) / max(1, runs)
        return [
            Choice(RERUN, run, sparsity, each.active, each.loss, seconds, each.verdict)
            for run, each in enumerate(found)
        ]

    def consensus(
        self, ends: Sequence[Tensor], evaluator: SubsetEvaluator, sparsity: float
    ) -> Choice:
        """What most of the searches of several seeds keep, or the best rule's choice.

        Args:
            ends: bool ``[S]`` each, where the searches ended.
            evaluator: of a trained supernet.
            sparsity: the fraction of sensors that is off.
        """
        started, problem = perf_counter(), self.problem(sparsity)
        found = self.experiment.selector.agreed(evaluator, problem, ends)
        seconds = perf_counter() - started
        return Choice(CONSENSUS, 0, sparsity, found.active, found.loss, seconds, found.verdict)

    def of_other_seed(
        self, seed: int, active: Tensor, evaluator: SubsetEvaluator, sparsity: float
    ) -> Choice:
        """The choice of another seed on this network.

        Args:
            seed: that made it.
            active: bool ``[S]``.
            evaluator: of a trained supernet.
            sparsity: the fraction of sensors that is off.
        """
        return Choice(OTHER_SEED, seed, sparsity, active, evaluator.loss(active), 0.0)

    def _searched(self, name: str, evaluator: SubsetEvaluator, problem: SearchProblem) -> Choice:
        started = perf_counter()
        found = self.experiment.selector.search(evaluator, problem)
        seconds = perf_counter() - started
        return Choice(name, 0, problem.sparsity, found.active, found.loss, seconds, found.verdict)

    def best_rule(self, learned: Choice, evaluator: SubsetEvaluator) -> Choice | None:
        """The choice of the best rule that a search's choice was held against.

        Args:
            learned: the search's choice.
            evaluator: that it was searched with.

        Returns:
            None where there was no rule.
        """
        if learned.verdict is None:
            return None
        ruled = learned.verdict.ruled
        return Choice(RULE, 0, learned.sparsity, ruled, evaluator.loss(ruled), 0.0)

    def ranked(self, name: str, number: int, evaluator: SubsetEvaluator, sparsity: float) -> Choice:
        """A baseline's choice.

        Args:
            name: a key of ``dynst.selection.baselines.RANKINGS``.
            number: of the draw, where the ranking is random.
            evaluator: of a trained supernet.
            sparsity: the fraction of sensors that is off.
        """
        started, constraints = perf_counter(), self.constraints(sparsity)
        seed = self.experiment.config.seed
        scores = self.experiment.selector.ranked(name, constraints, sparsity, seed, number)
        active = constraints.prune(constraints.allowed(), scores, sparsity)
        return Choice(
            name, number, sparsity, active, evaluator.loss(active), perf_counter() - started
        )

    def given(
        self, sensors: list[int], evaluator: SubsetEvaluator, sparsities: Sequence[float]
    ) -> Choice:
        """A choice of the user's own.

        Args:
            sensors: rows of those that stay on.
            evaluator: of a trained supernet.
            sparsities: of the other choices; the one that keeps as many sensors is taken for this
                choice too.
        """
        num_sensors = self.experiment.num_sensors
        same = (share for share in sparsities if num_active_at(share, num_sensors) == len(sensors))
        sparsity = next(same, round(1 - len(sensors) / num_sensors, 6))
        active = torch.zeros(num_sensors, dtype=torch.bool)
        active[sensors] = True
        return Choice(GIVEN, 0, sparsity, active, evaluator.loss(active), 0.0)

    def as_it_is(self, network: SparseForecaster, choice: Choice) -> Point:
        """The errors of a choice on the supernet without any further training.

        Args:
            network: a trained supernet.
            choice: of sensors.
        """
        return self._point(network, choice, 0.0)

    def fine_tuned(self, network: SparseForecaster, choice: Choice, epochs: int) -> Point:
        """The errors after more epochs on the chosen sensors alone; the best on validation counts.

        Args:
            network: a trained supernet, which stays as it is.
            choice: of sensors.
            epochs: to train.
        """
        started = perf_counter()
        training = self.fine_tuning(network, choice.active, epochs)
        for _ in training.run():
            pass
        return self._point(training.model, choice, perf_counter() - started)

    def by_block(self, point: Point) -> BlockErrors:
        """The absolute errors of a point by block of time.

        Args:
            point: of this supernet.
        """
        blocks = blocks_of(self.experiment.dataset.test, self.experiment.blocks.length)
        return SubsetEvaluator(point.network.eval(), blocks).errors(point.choice.active)

    def _point(self, network: SparseForecaster, choice: Choice, seconds: float) -> Point:
        errors = model_errors(self.experiment, network, choice.active)
        return Point(choice, errors, network, seconds)
