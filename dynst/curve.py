"""The sparsity–error curve of one training: a network that serves any choice of sensors, and choices to compare on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from dynst.build import Dataset, chooser_of, forecaster_for, parts_of
from dynst.choice.judge import Judge
from dynst.choice.search import SearchConfig
from dynst.data.store import SensorStore
from dynst.forecaster import SparseForecaster
from dynst.metrics import ErrorTable
from dynst.model import ModelConfig
from dynst.sparsity.config import SparsityConfig, at_sparsity, make_constraints, with_marks
from dynst.sparsity.constrained import Marked
from dynst.sparsity.constraints import Constraints
from dynst.sparsity.mask import num_active_at
from dynst.sparsity.scheme import Scheme, SensorDropout, dense_scheme, fixed_scheme, shared_scheme
from dynst.training.evaluate import evaluate
from dynst.training.loop import Training, TrainingData
from dynst.training.recipe import Recipe
from dynst.training.world import World

__all__ = ["GIVEN", "LEARNED", "Chosen", "Curve", "Point"]

LEARNED, GIVEN = "dynst", "given"
FINE_TUNING_RATE = 0.5  # of the recipe's learning rate


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
        sparsity: SparsityConfig,
        search: SearchConfig,
        seed: int,
    ) -> None:
        self.store, self.dataset, self.model, self.recipe = store, dataset, model, recipe
        self.sparsity, self.search, self.seed = sparsity, search, seed
        self.num_sensors = len(store.sensors)
        self.chooser = chooser_of(dataset, store.edges)
        self.parts = parts_of(dataset.network, model, store.edges, recipe)

    def dense_training(self, epochs: int) -> Training:
        """The reference, with as many epochs as shared network and fine-tuning have together."""
        return self._training(dense_scheme(self.num_sensors), {"epochs": epochs})

    def shared_training(self) -> Training:
        total = self.recipe.epochs * self.recipe.steps_in_epoch(len(self.dataset.train))
        sensors = with_marks(self.sparsity, self.dataset.network).sensors
        dropout = SensorDropout(total, self.sparsity.dropout_density, tuple(sensors.pinned.nonzero()[0].tolist()))
        readable = Marked(torch.tensor(sensors.pinned), torch.tensor(sensors.excluded))
        return self._training(shared_scheme(readable, dropout, self.seed), {})

    def fine_tuning(self, shared: SparseForecaster, active: Tensor, epochs: int) -> Training:
        changes = {"epochs": epochs, "learning_rate": self.recipe.learning_rate * FINE_TUNING_RATE}
        training = self._training(fixed_scheme(active), changes)
        training.model.load_state_dict(shared.state_dict())
        return training

    def constraints(self, sparsity: float) -> Constraints:
        """What the job demands of a choice; the curve's sparsities take the place of the job's own."""
        return make_constraints(at_sparsity(self.sparsity, sparsity), self.dataset.network)

    def _training(self, scheme: Scheme, changes: dict[str, Any]) -> Training:
        recipe, data = self.recipe.model_copy(update=changes), self.dataset
        material = TrainingData(data.train, data.val, self.parts)
        return Training(self.forecaster(), scheme, recipe, material, self.seed, World())

    def forecaster(self) -> SparseForecaster:
        return forecaster_for(self.dataset, self.model, self.store.edges, self.seed)

    def learned(self, judge: Judge, sparsity: float) -> Chosen:
        started = perf_counter()
        found = self.chooser.judged(judge, self.constraints(sparsity), sparsity, self.search, self.seed)
        return Chosen(LEARNED, 0, sparsity, found.active, found.loss, perf_counter() - started)

    def ranked(self, name: str, number: int, judge: Judge, sparsity: float) -> Chosen:
        """A baseline's choice; ``number`` draws another one where the ranking is random."""
        started, constraints = perf_counter(), self.constraints(sparsity)
        scores = self.chooser.ranked(name, constraints, sparsity, self.seed * 1000 + number)
        active = constraints.prune(constraints.allowed(), scores, sparsity)
        return Chosen(name, number, sparsity, active, judge.loss(active), perf_counter() - started)

    def given(self, sensors: list[int], judge: Judge, sparsities: Sequence[float]) -> Chosen:
        """Exactly these sensors, at the one of the ``sparsities`` that keeps as many: so it stands beside the other choices."""
        same = (share for share in sparsities if num_active_at(share, self.num_sensors) == len(sensors))
        sparsity = next(same, round(1 - len(sensors) / self.num_sensors, 6))
        active = torch.zeros(self.num_sensors, dtype=torch.bool)
        active[sensors] = True
        return Chosen(GIVEN, 0, sparsity, active, judge.loss(active), 0.0)

    def as_it_is(self, shared: SparseForecaster, chosen: Chosen) -> Point:
        return Point(chosen, evaluate(shared, self.dataset.test, chosen.active), 0.0)

    def fine_tuned(self, shared: SparseForecaster, chosen: Chosen, epochs: int) -> Point:
        """A few more epochs on the chosen sensors alone, from the shared weights; the best epoch on validation counts."""
        started = perf_counter()
        training = self.fine_tuning(shared, chosen.active, epochs)
        for _ in training.run():
            pass
        return Point(chosen, evaluate(training.model, self.dataset.test, chosen.active), perf_counter() - started)
