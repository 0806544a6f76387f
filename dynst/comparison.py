"""The arms of one comparison: dense, learned and random choice, in one harness with one budget."""

from dataclasses import dataclass

from torch import Tensor

from dynst.build import Dataset, ModelConfig, build_forecaster
from dynst.data.edges import Edges
from dynst.metrics import ErrorTable
from dynst.sparsity.config import SparsityConfig, make_scheme
from dynst.sparsity.scheme import Scheme, dense_scheme
from dynst.training.evaluate import evaluate
from dynst.training.loop import Training
from dynst.training.recipe import Recipe
from dynst.training.world import World

__all__ = ["Arm", "Comparison"]


@dataclass(frozen=True)
class Arm:
    """One training of a comparison. ``learned`` is the one that the job is about."""

    name: str
    kind: str  # dense, learned, random
    training: Training

    @property
    def active(self) -> Tensor:
        return self.training.scheme.active

    def test_errors(self, dataset: Dataset) -> ErrorTable:
        return evaluate(self.training.model, dataset.test, self.active, self.training.world)


class Comparison:
    """Makes the arms one after another; the learned and the random ones share one warm-up."""

    def __init__(
        self,
        dataset: Dataset,
        edges: Edges,
        model: ModelConfig,
        recipe: Recipe,
        sparsity: SparsityConfig,
        seed: int,
        world: World,
    ) -> None:
        self.dataset, self.edges, self.model, self.recipe = dataset, edges, model, recipe
        self.sparsity, self.seed, self.world = sparsity, seed, world
        self.num_sensors = dataset.scaler.scale.shape[0]
        self.total_steps = recipe.epochs * recipe.steps_in_epoch(len(dataset.train))

    def dense(self) -> Arm:
        return Arm("dense", "dense", self._training(dense_scheme(self.num_sensors)))

    def learned(self) -> Arm:
        return Arm(
            "dynst",
            "learned",
            self._training(make_scheme(self.sparsity, self.num_sensors, self.total_steps, self.seed)),
        )

    def random(self, number: int) -> Arm:
        """A random choice of the same size, made at once where the learned one begins to prune."""
        config = self.sparsity.model_copy(update={"scheme": "one_shot", "criterion": "random"})
        choice_seed = self.seed * 1000 + number
        scheme = make_scheme(config, self.num_sensors, self.total_steps, self.seed, choice_seed)
        return Arm(f"random-{number}", "random", self._training(scheme))

    def warm_epochs(self, learned: Arm) -> int:
        """Whole epochs before the first sensor goes: what learned and random arms have in common."""
        return learned.training.scheme.schedule.start // learned.training.steps_per_epoch

    def _training(self, scheme: Scheme) -> Training:
        model = build_forecaster(
            self.model,
            self.dataset.scaler,
            self.edges,
            num_targets=len(self.dataset.train.targets),
            seed=self.seed,
            positions=self.dataset.positions,
        )
        return Training(model, scheme, self.recipe, self.dataset.train, self.dataset.val, self.seed, self.world)
