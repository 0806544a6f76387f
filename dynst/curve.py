"""The sparsity–error curve of one training: a network that serves any choice of sensors, and choices to compare on it."""

from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor

from dynst.build import Dataset, ModelConfig, build_forecaster
from dynst.choice.judge import Judge, evenly
from dynst.choice.rankings import RANKINGS, Known, known_of
from dynst.choice.search import SearchConfig, eliminate, judged_search
from dynst.data.store import SensorStore
from dynst.forecaster import SparseForecaster
from dynst.metrics import ErrorTable
from dynst.sparsity.constraints import Constraints
from dynst.sparsity.criteria import Given
from dynst.sparsity.mask import random_subset
from dynst.sparsity.schedules import OneShot
from dynst.sparsity.scheme import Scheme, SensorDropout, dense_scheme
from dynst.training.evaluate import evaluate
from dynst.training.loop import Training
from dynst.training.recipe import Recipe
from dynst.training.world import World

__all__ = ["LEARNED", "Chosen", "Curve", "Point"]

LEARNED = "dynst"
VAL_DENSITIES = (1.0, 0.7, 0.5, 0.3)
JUDGED_WINDOWS = 256  # of the validation part, and as many of the second half of the training part


@dataclass(frozen=True)
class Chosen:
    """A choice of sensors and what it took to find it."""

    name: str
    number: int  # tells draws of one name apart
    sparsity: float
    active: Tensor  # [S] bool
    judged: float  # the shared network's error on the judge's windows
    seconds: float


@dataclass(frozen=True)
class Point:
    """Errors of a choice on the test part, over ALL locations and by location."""

    chosen: Chosen
    errors: ErrorTable
    seconds: float  # of the fine-tuning; 0 as the network is


class Curve:
    """One seed's networks and points. The shared network is trained by sensor dropout from the first step to the last."""

    def __init__(
        self,
        store: SensorStore,
        dataset: Dataset,
        model: ModelConfig,
        recipe: Recipe,
        *,
        density: tuple[float, float] = (0.2, 1.0),
        search: SearchConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.store, self.dataset, self.model, self.recipe = store, dataset, model, recipe
        self.density, self.search, self.seed = density, search or SearchConfig(), seed
        self.num_sensors = len(store.sensors)

    def dense_training(self, epochs: int) -> Training:
        """The reference, with as many epochs as shared network and fine-tuning have together."""
        recipe = self.recipe.model_copy(update={"epochs": epochs})
        scheme = dense_scheme(self.num_sensors)
        return Training(self.forecaster(), scheme, recipe, self.dataset.train, self.dataset.val, self.seed, World())

    def shared_training(self) -> Training:
        total = self.recipe.epochs * self.recipe.steps_in_epoch(len(self.dataset.train))
        still = Given(torch.zeros(self.num_sensors))
        dropout = SensorDropout(total, self.density)
        scheme = Scheme(self.num_sensors, OneShot(0.0, total), still, dropout=dropout, seed=self.seed)
        choices = [random_subset(self.num_sensors, (share, share), 0, step) for step, share in enumerate(VAL_DENSITIES)]
        return Training(self.forecaster(), scheme, self.recipe, self.dataset.train, self.dataset.val, self.seed, World(), choices)

    def forecaster(self) -> SparseForecaster:
        targets = len(self.dataset.train.targets)
        return build_forecaster(self.model, self.dataset.scaler, self.store.edges, num_targets=targets, seed=self.seed)

    def judge(self, shared: SparseForecaster, world: World | None = None) -> Judge:
        """Validation windows and late training windows: what is near the time of use, and not too few."""
        train, val = self.dataset.train, self.dataset.val
        half = len(train) // 2
        late = half + evenly(half, JUDGED_WINDOWS) if half else evenly(len(train), JUDGED_WINDOWS)
        return Judge(shared.eval(), [(val, evenly(len(val), JUDGED_WINDOWS)), (train, late)], world)

    def learned(self, judge: Judge, constraints: Constraints, sparsity: float) -> Chosen:
        """Signed elimination with swaps, then judged search."""
        started = perf_counter()
        first = eliminate(judge, constraints, sparsity, self.search.elimination_rounds)
        found = judged_search(judge, constraints, first, self.search, self.seed)
        return Chosen(LEARNED, 0, sparsity, found.active, found.loss, perf_counter() - started)

    def ranked(self, name: str, number: int, judge: Judge, constraints: Constraints, sparsity: float) -> Chosen:
        """A baseline's choice; ``number`` draws another one where the ranking is random."""
        started = perf_counter()
        allowed = constraints.allowed()
        count = int(constraints.prune(allowed, torch.zeros(self.num_sensors), sparsity).sum())
        scores = RANKINGS[name](self.known, count, self.seed * 1000 + number)
        active = constraints.prune(allowed, scores, sparsity)
        return Chosen(name, number, sparsity, active, judge.loss(active), perf_counter() - started)

    @property
    def known(self) -> Known:
        return known_of(self.store, self.dataset.train, self.dataset.scaler)

    def as_it_is(self, shared: SparseForecaster, chosen: Chosen) -> Point:
        return Point(chosen, evaluate(shared, self.dataset.test, chosen.active), 0.0)

    def fine_tuned(self, shared: SparseForecaster, chosen: Chosen, epochs: int) -> Point:
        """A few more epochs on the chosen sensors alone, from the shared weights; the best epoch on validation counts."""
        started = perf_counter()
        training = self.fine_tuning(shared, chosen.active, epochs)
        for _ in training.run():
            pass
        return Point(chosen, evaluate(training.model, self.dataset.test, chosen.active), perf_counter() - started)

    def fine_tuning(self, shared: SparseForecaster, active: Tensor, epochs: int) -> Training:
        recipe = self.recipe.model_copy(update={"epochs": epochs, "learning_rate": self.recipe.learning_rate / 2})
        scheme = dense_scheme(self.num_sensors)
        scheme.active = active
        model = self.forecaster()
        model.load_state_dict(shared.state_dict())
        return Training(model, scheme, recipe, self.dataset.train, self.dataset.val, self.seed, World(), [active])
