"""The experiment: a store, its settings and a seed, put together in one place."""

from functools import cached_property
from itertools import count
from math import ceil

from torch import Tensor

from dynst.data.partition import Subgraph
from dynst.data.store import SensorStore
from dynst.distributed.world import World
from dynst.errors import ConfigError
from dynst.evaluation.image_metrics import value_ranges
from dynst.experiment.arms import Arm, ArmKind
from dynst.experiment.config import ExperimentConfig
from dynst.experiment.dataset import (
    Dataset,
    DatasetPlan,
    check_model,
    check_parts,
    forecaster_for,
    make_dataset,
    parts_of,
    plan_dataset,
)
from dynst.models.forecaster import SparseForecaster
from dynst.models.sensor_rows import sensor_rows
from dynst.selection.search import SearchProblem
from dynst.selection.selector import SensorSelector
from dynst.selection.time_blocks import TimeBlocks, time_blocks
from dynst.sparsity.config import SparsityConfig, make_scheme, rewind_step
from dynst.sparsity.constraints.base import Constraints
from dynst.sparsity.constraints.sensor_layout import network_of
from dynst.sparsity.criteria import Criterion, FixedScores, RandomScore
from dynst.sparsity.scheme import Scheme, dense_scheme
from dynst.training.config import Recipe
from dynst.training.cut_network import CutNetwork
from dynst.training.step_shares import StepShares
from dynst.training.trainer import Training, TrainingData

__all__ = ["Experiment"]


class Experiment:
    """One store, one configuration, one seed.

    Its arms have the same budget; those that prune share one warm-up.

    Args:
        store: the readings of all sensors.
        config: every setting that changes a figure.
        world: the ranks that train together, by default this process alone.
        dataset: the store as ``make_dataset`` scales and cuts it for this configuration; made when
            first asked for.

    Raises:
        ConfigError: the configuration does not fit the store.

    Example:
        >>> experiment = Experiment(open_store(path), ExperimentConfig())  # doctest: +SKIP
        >>> arm = train(experiment, experiment.learned())  # doctest: +SKIP
        >>> evaluate(experiment, arm).errors.mae()  # doctest: +SKIP
    """

    def __init__(
        self,
        store: SensorStore,
        config: ExperimentConfig,
        world: World | None = None,
        dataset: Dataset | None = None,
    ) -> None:
        self.store, self.config, self.world = store, config, world or World()
        check_parts(network_of(store), config.model, store.edges, config.training)
        rewind_step(config.sparsity, 1)
        if dataset is not None:
            self.dataset = dataset

    def of_seed(self, seed: int) -> "Experiment":
        """The same store and settings with another seed.

        Args:
            seed: of weights, batches and proposals.
        """
        config = self.config.model_copy(update={"seed": seed})
        return Experiment(self.store, config, self.world, self.dataset)

    def check_model(self) -> None:
        """Make the model once and throw it away.

        Raises:
            ConfigError: windows, targets or season do not fit the store, or the model cannot be
                made for it.
        """
        check_model(self.config.model, self.store, self.plan)

    def check_scheme(self) -> None:
        """Make the scheme once and throw it away.

        Raises:
            ConfigError: no choice of sensors satisfies the constraints, or a search would begin
                without a warm-up.
        """
        sparsity, recipe, network = (
            self.config.sparsity,
            self.config.training,
            network_of(self.store),
        )
        steps = recipe.epochs * recipe.steps_in_epoch(len(self.plan.starts[0]))
        scheme = make_scheme(sparsity, self.num_sensors, steps, self.config.seed, network=network)
        scheme.check_measured(StepShares.of(recipe, self.world).turns(recipe.parts))
        if sparsity.scheme == "searched" and int(sparsity.start * recipe.epochs) < 1:
            raise ConfigError(
                f"the scheme searched must have at least one whole epoch of warm-up, but "
                f"sparsity.start {sparsity.start:g} of {recipe.epochs} epochs leaves none; raise "
                f"{_warm_up(sparsity.start, recipe.epochs)}"
            )

    @cached_property
    def plan(self) -> DatasetPlan:
        """How the store is scaled and cut; no reading is touched."""
        config = self.config
        return plan_dataset(
            self.store,
            config.model,
            targets=config.targets,
            season=config.season,
            shares=config.split,
        )

    @cached_property
    def dataset(self) -> Dataset:
        """The store, scaled and cut."""
        by_time = self.config.training.own_sharding == "time"
        return make_dataset(self.store, self.config.model, self.plan, by_time or None)

    @cached_property
    def image_ranges(self) -> Tensor | None:
        """Of a grid, the range of each target's readings in the training part.

        None for other networks.
        """
        layout = self.store.manifest.layout
        return (
            None
            if layout is None
            else value_ranges(self.store.readings, self.plan.train, layout, self.plan.channels)
        )

    @property
    def num_sensors(self) -> int:
        """Of the store, S."""
        return len(self.store.sensors)

    @cached_property
    def selector(self) -> SensorSelector:
        """Baselines and the search, on the training and the validation part."""
        data = self.dataset
        return SensorSelector(data.train, self.blocks, data.scaler, data.network, self.store.edges)

    @cached_property
    def blocks(self) -> TimeBlocks:
        """How training and validation part are divided between learning and choosing."""
        data, manifest = self.dataset, self.store.manifest
        return time_blocks(
            data.train,
            data.val,
            manifest.step,
            manifest.clock,
            withhold=self.config.search.withhold,
            present=self.config.model.present,
        )

    @cached_property
    def parts(self) -> tuple[Subgraph, ...]:
        """What a large network is cut into; empty where it stays whole."""
        return parts_of(
            self.dataset.network, self.config.model, self.store.edges, self.config.training
        )

    @cached_property
    def cut(self) -> CutNetwork | None:
        """The parts as this rank trains on them; None where the network stays whole."""
        if not self.parts:
            return None
        shares = StepShares.of(self.config.training, self.world)
        channels = self.store.channel_names
        rows = sensor_rows(self.config.model, len(channels), self.plan.channels.tolist())
        return CutNetwork(
            self.parts, self.num_sensors, shares, self.world, rows, self.fresh_forecaster
        )

    @property
    def total_steps(self) -> int:
        """Training steps of an arm."""
        recipe = self.config.training
        return recipe.epochs * recipe.steps_in_epoch(len(self.dataset.train))

    @property
    def rewind(self) -> int | None:
        """The step whose weights each pruning goes back to, if any."""
        return rewind_step(self.config.sparsity, self.total_steps)

    def dense(self, epochs: int | None = None) -> Arm:
        """The reference that reads every sensor.

        Args:
            epochs: instead of the recipe's.
        """
        recipe = (
            self.config.training
            if epochs is None
            else self.config.training.model_copy(update={"epochs": epochs})
        )
        return Arm("dense", ArmKind.DENSE, self.training(dense_scheme(self.num_sensors), recipe))

    def learned(self) -> Arm:
        """What the experiment is about: sensors go by the scheme of the configuration."""
        return Arm("dynst", ArmKind.LEARNED, self._pruned(self._scheme(self.config.sparsity)))

    def random(self, number: int) -> Arm:
        """A random choice under the same constraints.

        It is made at once where the learned arm begins to prune.

        Args:
            number: 0, 1, …; each is another draw.
        """
        ranking = RandomScore(self.num_sensors, self.config.seed, number)
        return Arm(
            f"random-{number}", ArmKind.RANDOM, self._pruned(self._scheme(self._at_once, ranking))
        )

    def ranked(self, name: str) -> Arm:
        """A baseline's choice, made without any training, where the learned arm begins to prune.

        Args:
            name: a key of ``dynst.selection.baselines.RANKINGS``.
        """
        constraints, sparsity = self.final_constraints()
        ranking = FixedScores(self.selector.ranked(name, constraints, sparsity, self.config.seed))
        return Arm(name, ArmKind.BASELINE, self._pruned(self._scheme(self._at_once, ranking)))

    def given(self, active: Tensor, name: str = "given") -> Arm:
        """A choice of the user's own, whatever the configuration demands of a choice.

        Args:
            active: bool ``[S]``, the sensors that stay on.
            name: of the arm.
        """
        sparsity = 1 - float(active.sum()) / self.num_sensors
        kept = self.config.sparsity.model_dump(include={"start", "dropout", "dropout_density"})
        config = SparsityConfig(scheme="one_shot", final=sparsity, **kept)
        scheme = make_scheme(
            config,
            self.num_sensors,
            self.total_steps,
            self.config.seed,
            criterion=FixedScores(active.double()),
        )
        return Arm(name, ArmKind.BASELINE, self._pruned(scheme))

    def warm_epochs(self, arm: Arm) -> int:
        """Whole epochs before the first sensor goes: what the arms that prune have in common.

        Args:
            arm: one that prunes.
        """
        return arm.training.scheme.schedule.start // arm.training.steps_per_epoch

    def final_constraints(self) -> tuple[Constraints, float]:
        """What the final choice must satisfy, and its share of sensors or cost that is off."""
        scheme = self._scheme(self.config.sparsity)
        return scheme.constraints, scheme.schedule.final

    @property
    def search_problem(self) -> SearchProblem:
        """What the searched scheme looks for."""
        return SearchProblem(*self.final_constraints(), self.config.search, self.config.seed)

    def forecaster(self) -> SparseForecaster:
        """A fresh one, as every arm begins; of a cut network the parts of this rank."""
        return self.fresh_forecaster() if self.cut is None else self.cut.forecaster()

    def fresh_forecaster(self, sensors: Tensor | None = None) -> SparseForecaster:
        """One of the uncut network, or of ``sensors [M]`` (ascending) alone."""
        model, edges, seed = self.config.model, self.store.edges, self.config.seed
        return forecaster_for(self.dataset, model, edges, seed, sensors)

    def training(
        self,
        scheme: Scheme,
        recipe: Recipe | None = None,
        rewind: int | None = None,
        withheld_until: int = 0,
    ) -> Training:
        """A fresh forecaster with what trains it.

        Args:
            scheme: which sensors exist in each step.
            recipe: by default the configuration's.
            rewind: the step whose weights each pruning goes back to; None keeps the weights.
            withheld_until: epochs in which the blocks of time of the search are not trained on.
        """
        fitted = self.blocks.fitted if withheld_until and self.config.search.withhold else None
        data = self.dataset
        train = data.train.from_present() if self.config.model.present else data.train
        material = TrainingData(train, data.val, self.cut, fitted, withheld_until)
        recipe = recipe or self.config.training
        return Training(
            self.forecaster(), scheme, recipe, material, self.config.seed, self.world, rewind
        )

    @property
    def _at_once(self) -> SparsityConfig:
        return self.config.sparsity.model_copy(update={"scheme": "one_shot", "coverage": 0.0})

    def _pruned(self, scheme: Scheme) -> Training:
        searched = self.config.sparsity.scheme == "searched"
        steps = self.config.training.steps_in_epoch(len(self.dataset.train))
        warm = scheme.schedule.start // steps if searched else 0
        return self.training(scheme, rewind=self.rewind, withheld_until=warm)

    def _scheme(self, config: SparsityConfig, criterion: Criterion | None = None) -> Scheme:
        network = self.dataset.network
        return make_scheme(
            config,
            self.num_sensors,
            self.total_steps,
            self.config.seed,
            network=network,
            criterion=criterion,
        )


def _warm_up(start: float, epochs: int) -> str:
    """The least settings with a whole epoch of warm-up."""
    least = ceil(100 / epochs) / 100
    ways = [f"sparsity.start to {least:g}"] if least < 1 else []
    if start > 0:
        enough = next(more for more in count(epochs) if int(start * more) >= 1)
        ways.append(f"training.epochs to {enough}")
    return ", or ".join(ways or ["sparsity.start and training.epochs"])
