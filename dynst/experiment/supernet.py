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
from dynst.selection.search import Verdict
from dynst.selection.subset_evaluator import SubsetEvaluator
from dynst.sparsity.config import at_sparsity, make_constraints, with_marks
from dynst.sparsity.constraints.base import Constraints
from dynst.sparsity.constraints.constrained import PinExclude
from dynst.sparsity.mask import num_active_at
from dynst.sparsity.scheme import SensorDropout, fixed_scheme, supernet_scheme
from dynst.training.trainer import Training

__all__ = ["GIVEN", "LEARNED", "NESTED", "RERUN", "Choice", "Point", "Supernet"]

LEARNED, NESTED, RERUN, GIVEN = "dynst", "dynst_nested", "dynst_rerun", "given"
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


@dataclass(frozen=True)
class Point:
    """Errors of a choice on the test part, over ALL locations and by location.

    ``seconds`` of fine-tuning, 0 without any.
    """

    choice: Choice
    errors: ErrorTable
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

    def training(self) -> Training:
        """The training of the supernet itself: each step reads a random subset.

        It never sees the blocks of time that choices are compared on.
        """
        experiment = self.experiment
        config = experiment.config.sparsity
        sensors = with_marks(config, experiment.dataset.network).sensors
        pinned = tuple(sensors.pinned.nonzero()[0].tolist())
        dropout = SensorDropout(experiment.total_steps, config.dropout_density, pinned)
        readable = PinExclude(torch.tensor(sensors.pinned), torch.tensor(sensors.excluded))
        return experiment.training(
            supernet_scheme(readable, dropout, experiment.config.seed),
            withheld_until=experiment.config.training.epochs,
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

    def learned(self, evaluator: SubsetEvaluator, sparsity: float) -> Choice:
        """The choice that the search finds.

        Args:
            evaluator: of a trained supernet.
            sparsity: the fraction of sensors that is off.
        """
        return self._searched(LEARNED, evaluator, sparsity)

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
            found.append(self._searched(NESTED, evaluator, sparsity, among))
        return found

    def reruns(self, evaluator: SubsetEvaluator, sparsity: float, runs: int) -> list[Choice]:
        """What the search finds again on halves of the blocks of time: how stable its choice is.

        Args:
            evaluator: of a trained supernet.
            sparsity: the fraction of sensors that is off.
            runs: how many.
        """
        started, config = perf_counter(), self.experiment.config
        found = self.experiment.selector.reruns(
            evaluator, self.constraints(sparsity), sparsity, config.search, config.seed, runs
        )
        seconds = (perf_counter() - started) / max(1, runs)
        return [
            Choice(RERUN, run, sparsity, each.active, each.loss, seconds, each.verdict)
            for run, each in enumerate(found)
        ]

    def _searched(
        self,
        name: str,
        evaluator: SubsetEvaluator,
        sparsity: float,
        among: Tensor | None = None,
    ) -> Choice:
        started, config = perf_counter(), self.experiment.config
        constraints = self.constraints(sparsity, among)
        found = self.experiment.selector.search(
            evaluator, constraints, sparsity, config.search, config.seed
        )
        seconds = perf_counter() - started
        return Choice(name, 0, sparsity, found.active, found.loss, seconds, found.verdict)

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
        return Point(choice, model_errors(self.experiment, network, choice.active), 0.0)

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
        errors = model_errors(self.experiment, training.model, choice.active)
        return Point(choice, errors, perf_counter() - started)
