"""From a sensor store to what a model trains on, to a forecaster that fits it, and whether the two
fit at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from dynst.data.anomalies import anomalies, leading_modes
from dynst.data.edges import Edges
from dynst.data.manifest import Patching
from dynst.data.mapped_series import MappedSeries
from dynst.data.neighbor_lists import neighbour_lists
from dynst.data.partition import Subgraph, cut_into_subgraphs
from dynst.data.patches import target_channels
from dynst.data.scaler import Season, SeasonalScaler, SeasonName, fit_scaler, season_for
from dynst.data.series import make_series
from dynst.data.store import SensorStore
from dynst.data.windows import Windows, chronological_splits, window_starts
from dynst.errors import ConfigError
from dynst.models.factory import ModelConfig, SensorFacts, build_forecaster, check_forecast
from dynst.models.forecaster import SparseForecaster
from dynst.models.layers.topology import NEIGHBOURS
from dynst.sparsity.constraints.sensor_layout import Network, network_of
from dynst.storage.free_space import free_memory
from dynst.training.config import Recipe
from dynst.training.step_shares import shares_for

__all__ = [
    "Dataset",
    "DatasetPlan",
    "check_model",
    "check_parts",
    "forecaster_for",
    "make_dataset",
    "parts_of",
    "plan_dataset",
]

SHARE_OF_MEMORY = 1 / 8  # that is free, for the series: several workers may share a machine


@dataclass(frozen=True)
class Dataset:
    """One store, scaled and cut for one model."""

    scaler: SeasonalScaler
    train: Windows
    val: Windows
    test: Windows
    network: Network
    embedding: int
    layout: Patching | None  # of a grid

    @property
    def positions(self) -> Tensor | None:
        """``[S, 2]``, as the store has them."""
        return _tensor(self.network.sensors.positions)

    @cached_property
    def modes(self) -> Tensor:
        """``[S, E]``, alike for locations that departed from their season together in the training
        part.
        """
        return leading_modes(anomalies(self.train, self.scaler).by_location(), self.embedding)


@dataclass(frozen=True)
class DatasetPlan:
    """How a store will be scaled and cut; cheap, since no reading is touched."""

    season: Season
    train: slice
    channels: Tensor
    starts: tuple[Tensor, Tensor, Tensor]  # of the windows of the three parts


def plan_dataset(
    store: SensorStore,
    model: ModelConfig,
    *,
    targets: Sequence[str] = (),
    season: SeasonName = "auto",
    shares: tuple[float, float, float] = (0.7, 0.1, 0.2),
) -> DatasetPlan:
    """Raises ConfigError where a target is no channel, a part is too short for one window, or the
    season does not fit.
    """
    splits = chronological_splits(store.manifest.num_steps, shares)
    step, clock = store.manifest.step, store.manifest.clock
    span = step * (splits.train.stop - splits.train.start)
    chosen = season_for(season, step=step, train_span=span, clock=clock)
    time = torch.tensor(store.readings.time)
    train, val, test = (
        window_starts(time, rows, model.window, model.horizon, f"the {part} part", clock.label)
        for part, rows in (
            ("training", splits.train),
            ("validation", splits.val),
            ("test", splits.test),
        )
    )
    return DatasetPlan(
        chosen, splits.train, torch.tensor(_channel_indices(store, targets)), (train, val, test)
    )


def make_dataset(
    store: SensorStore,
    model: ModelConfig,
    plan: DatasetPlan | None = None,
    mapped: bool | None = None,
) -> Dataset:
    """Fit the scaler on the training part, scale the series, and index the windows of the three
    parts.

    Args:
        store: of the network.
        model: whose windows they are.
        plan: by default that of ``plan_dataset``.
        mapped: leave the series in its file, and scale what is read of it when it is read; by
            default where it would take more than a share of the memory that is free.
    """
    plan = plan or plan_dataset(store, model)
    scaler = fit_scaler(store.readings, plan.season, plan.train, store.manifest.clock)
    scaler.quantity %= len(store.manifest.quantities)
    if mapped is None:
        mapped = _num_bytes(store) > SHARE_OF_MEMORY * free_memory()
    series = (MappedSeries if mapped else make_series)(store.readings, scaler)
    train, val, test = (
        Windows(series, starts, model.window, model.horizon, plan.channels)
        for starts in plan.starts
    )
    return Dataset(
        scaler, train, val, test, network_of(store), model.embedding, store.manifest.layout
    )


def forecaster_for(
    dataset: Dataset, model: ModelConfig, edges: Edges, seed: int, sensors: Tensor | None = None
) -> SparseForecaster:
    """A fresh forecaster to train on ``dataset``, whose locations begin as its modes.

    Args:
        dataset: scaled and cut for the model.
        model: its settings.
        edges: of the network.
        seed: of the first weights.
        sensors: ``[M]`` ascending, to make the forecaster of these alone.
    """
    known: SensorFacts = {
        "positions": dataset.positions,
        "node_embedding": dataset.modes,
        "layout": dataset.layout,
        "sensors": sensors,
    }
    return build_forecaster(
        model, dataset.scaler, edges, targets=dataset.train.targets.tolist(), seed=seed, **known
    )


def parts_of(
    network: Network, model: ModelConfig, edges: Edges, recipe: Recipe
) -> tuple[Subgraph, ...]:
    """What the recipe cuts the network into, along the model's neighbour lists.

    Nothing where it stays whole.

    Raises:
        ConfigError: it cannot be cut; see ``check_parts``.
    """
    check_parts(network, model, edges, recipe)
    if recipe.parts == 1:
        return ()
    neighbours, _ = neighbour_lists(edges, len(network), model.neighbours or NEIGHBOURS)
    return cut_into_subgraphs(neighbours, network.points, recipe.parts, recipe.halo)


def check_parts(network: Network, model: ModelConfig, edges: Edges, recipe: Recipe) -> None:
    """Cheap, since nothing is cut.

    Raises:
        ConfigError: there are more parts than sensors, no edges, or a network that reads every
            location; or steps do not have equally many of the parts.
    """
    if recipe.parts == 1:
        return
    if recipe.parts % (recipe.parts_per_step or 1):
        raise ConfigError(
            f"training.parts must be a multiple of training.parts_per_step, but got {recipe.parts} "
            f"and {recipe.parts_per_step}; set training.parts_per_step to "
            f"{shares_for(recipe.model_copy(update={'parts_per_step': None}), 2)}"
        )
    if recipe.parts > len(network):
        raise ConfigError(
            f"training.parts must be at most the {len(network)} sensors, but got {recipe.parts}; "
            f"lower it"
        )
    if not model.traits.compact:
        raise ConfigError(
            "training.parts must be 1 for a backbone that reads every location, but got "
            f"{recipe.parts} with {model.backbone.name}; set it to 1, or take a compact backbone"
        )
    if not len(edges):
        raise ConfigError(
            f"training.parts {recipe.parts} needs to know which sensors receive from which, but "
            "the store has no edges; import it with edges or positions, or set training.parts to 1"
        )


@torch.no_grad()
def check_model(model: ModelConfig, store: SensorStore, plan: DatasetPlan) -> None:
    """Make the forecaster once and throw it away.

    One that reads every location also forecasts once.

    Raises:
        ConfigError: the model cannot be made for this store, or its forecast has another shape than
            asked for.
    """
    scaler = SeasonalScaler(
        plan.season, len(store.sensors), len(store.channel_names), store.manifest.clock
    )
    known: SensorFacts = {
        "positions": _tensor(store.sensors.positions),
        "layout": store.manifest.layout,
    }
    made = build_forecaster(
        model, scaler, store.edges, targets=plan.channels.tolist(), seed=0, **known
    )
    if not model.traits.compact:
        check_forecast(made, model.backbone.name)


def _num_bytes(store: SensorStore) -> int:
    """Of the scaled series: a float and a mark for each reading."""
    manifest = store.manifest
    return 5 * manifest.num_steps * manifest.num_sensors * len(manifest.channels)


def _tensor(values: np.ndarray | None) -> Tensor | None:
    return None if values is None else torch.tensor(values)


def _channel_indices(store: SensorStore, names: Sequence[str]) -> list[int]:
    known = [channel.name for channel in store.manifest.quantities]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(
            f"data.targets must name channels of the store ({', '.join(known)}), but got "
            f"'{unknown[0]}'"
        )
    chosen = [known.index(name) for name in names] or [0]
    return (
        chosen
        if store.manifest.patching is None
        else target_channels(store.manifest.patching, chosen)
    )
