"""The arms of one comparison: dense, learned and random choice, in one harness with one budget."""

from dataclasses import dataclass

from torch import Tensor

from dynst.build import Dataset, chooser_of, forecaster_for, parts_of
from dynst.choice.judge import Judge
from dynst.choice.search import Found, SearchConfig
from dynst.data.edges import Edges
from dynst.metrics import ErrorTable
from dynst.model import ModelConfig
from dynst.sparsity.config import SparsityConfig, make_scheme, rewind_step
from dynst.sparsity.constraints import Constraints
from dynst.sparsity.criteria import Criterion, Given, RandomScore
from dynst.sparsity.scheme import Scheme, dense_scheme
from dynst.training.evaluate import evaluate
from dynst.training.loop import Training, TrainingData
from dynst.training.recipe import Recipe
from dynst.training.world import World

__all__ = ["Arm", "Comparison"]


@dataclass(frozen=True)
class Arm:
    """One training of a comparison. ``learned`` is the one that the job is about."""

    name: str
    kind: str  # dense, learned, random, baseline
    training: Training

    @property
    def active(self) -> Tensor:
        return self.training.scheme.active

    def test_errors(self, dataset: Dataset) -> ErrorTable:
        training = self.training
        return evaluate(training.model, dataset.test, self.active, training.world, training.windows_at_once)


class Comparison:
    """Makes the arms one after another; the learned and the random ones share one warm-up."""

    def __init__(
        self,
        dataset: Dataset,
        edges: Edges,
        model: ModelConfig,
        recipe: Recipe,
        sparsity: SparsityConfig,
        search: SearchConfig,
        seed: int,
        world: World,
    ) -> None:
        self.dataset, self.edges, self.model, self.recipe = dataset, edges, model, recipe
        self.sparsity, self.search, self.seed, self.world = sparsity, search, seed, world
        self.num_sensors = dataset.scaler.scale.shape[0]
        self.total_steps = recipe.epochs * recipe.steps_in_epoch(len(dataset.train))
        self.chooser = chooser_of(dataset, edges)
        self.rewind = rewind_step(sparsity, self.total_steps)
        self.parts = parts_of(dataset.network, model, edges, recipe)

    def dense(self) -> Arm:
        return Arm("dense", "dense", self._training(dense_scheme(self.num_sensors), None))

    def learned(self) -> Arm:
        return Arm("dynst", "learned", self._training(self._scheme(self.sparsity), self.rewind))

    def random(self, number: int) -> Arm:
        """A random choice under the same constraints, made at once where the learned one begins to prune."""
        config = self.sparsity.model_copy(update={"scheme": "one_shot", "coverage": 0.0})
        ranking = RandomScore(self.num_sensors, self.seed * 1000 + number)
        return Arm(f"random-{number}", "random", self._training(self._scheme(config, ranking), self.rewind))

    def ranked(self, name: str) -> Arm:
        """A baseline's choice, made without any training, at the same moment."""
        config = self.sparsity.model_copy(update={"scheme": "one_shot", "coverage": 0.0})
        constraints, sparsity = self._demands()
        ranking = Given(self.chooser.ranked(name, constraints, sparsity, self.seed))
        return Arm(name, "baseline", self._training(self._scheme(config, ranking), self.rewind))

    def given(self, active: Tensor) -> Arm:
        """Exactly these sensors, whatever the job demands of its own choice."""
        sparsity = 1 - float(active.sum()) / self.num_sensors
        config = SparsityConfig(
            scheme="one_shot", final=sparsity, **self.sparsity.model_dump(include={"start", "dropout", "dropout_density"})
        )
        scheme = make_scheme(config, self.num_sensors, self.total_steps, self.seed, criterion=Given(active.double()))
        return Arm("given", "baseline", self._training(scheme, self.rewind))

    def decide(self, learned: Arm) -> None:
        """After the warm-up, where the scheme says so: the network judges a search for the final choice; ranks share the work."""
        if self.sparsity.scheme != "judged":
            return
        judge, found = self.judged(learned)
        active = self.world.same(found.active.float()).bool()
        learned.training.decide(active, self.world.same(judge.importance(active)))

    def judged(self, learned: Arm) -> tuple[Judge, Found]:
        """What the search finds by the network as it is now, and who judged it; nothing is decided yet."""
        judge = self.chooser.judge(learned.training.model, self.search, self.world)
        return judge, self.chooser.judged(judge, *self._demands(), self.search, self.seed)

    def _demands(self) -> tuple[Constraints, float]:
        """What the final choice must satisfy, and its share of sensors or cost that is off."""
        scheme = self._scheme(self.sparsity)
        return scheme.constraints, scheme.schedule.final

    def warm_epochs(self, learned: Arm) -> int:
        """Whole epochs before the first sensor goes: what learned and random arms have in common."""
        return learned.training.scheme.schedule.start // learned.training.steps_per_epoch

    def _scheme(self, config: SparsityConfig, criterion: Criterion | None = None) -> Scheme:
        network = self.dataset.network
        return make_scheme(config, self.num_sensors, self.total_steps, self.seed, network=network, criterion=criterion)

    def _training(self, scheme: Scheme, rewind: int | None) -> Training:
        data = self.dataset
        model = forecaster_for(data, self.model, self.edges, self.seed)
        material = TrainingData(data.train, data.val, self.parts)
        return Training(model, scheme, self.recipe, material, self.seed, self.world, rewind)
