"""From plain settings and a sensor store to a forecaster and its windows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Literal, NamedTuple, NoReturn

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from dynst.backbones.all_pairs import AllPairs
from dynst.backbones.graph import MorphGraphNet
from dynst.backbones.neighbours import NeighbourLists
from dynst.backbones.protocol import CompactBackbone, Geometry, Shape
from dynst.backbones.readout import Readout
from dynst.backbones.transformer import PatchTransformer, place_features
from dynst.choice.chooser import Chooser
from dynst.data.candidates import neighbour_lists
from dynst.data.departures import departures, leading_modes
from dynst.data.edges import Edges
from dynst.data.patches import target_channels
from dynst.data.scaler import Season, SeasonalScaler, SeasonName, fit_scaler, season_for
from dynst.data.store import SensorStore
from dynst.data.windows import Windows, calendar_features, chronological_splits, make_series, window_starts
from dynst.errors import ConfigError
from dynst.forecaster import SparseForecaster
from dynst.sparsity.network import Network, network_of

__all__ = [
    "Dataset",
    "DatasetPlan",
    "ModelConfig",
    "build_forecaster",
    "chooser_of",
    "forecaster_for",
    "make_dataset",
    "make_geometry",
    "plan_dataset",
    "proximity",
]

NEIGHBOURS = 16  # saved models rely on it
_SEEDED = Lock()  # torch draws for all threads from one state


class ModelConfig(BaseModel):
    """The forecaster's architecture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: Literal["morph_graph", "patch_transformer"] = Field(
        "morph_graph", description="patch_transformer attends from every sensor to every other: for patches of a grid"
    )
    window: int = Field(12, ge=1, description="steps that the forecaster reads")
    horizon: int = Field(12, ge=1, description="steps that it forecasts")
    hidden: int = Field(32, ge=4, multiple_of=4)
    blocks: int = Field(2, ge=1)
    embedding: int = Field(64, ge=1, description="leading modes of the training part that tell locations apart at first")
    heads: Literal[1, 2, 4] = Field(4, description="of each attention of patch_transformer")
    neighbours: int | None = Field(
        None, ge=1, description="sensors that a location listens to; by default all of them up to 512 sensors, 16 above"
    )


class Parts(NamedTuple):
    """What a backbone is made from."""

    model: ModelConfig
    shape: Shape
    geometry: Geometry
    num_calendar: int
    positions: Tensor | None  # [S, 2]
    identity: Tensor  # [S, E]


def _morph_graph(parts: Parts) -> MorphGraphNet:
    return MorphGraphNet(parts.shape, parts.geometry, parts.num_calendar, parts.identity, blocks=parts.model.blocks)


def _patch_transformer(parts: Parts) -> PatchTransformer:
    model, places = parts.model, place_features(parts.positions, parts.shape.num_sensors)
    sizes = {"blocks": model.blocks, "heads": model.heads}
    return PatchTransformer(parts.shape, parts.geometry, parts.num_calendar, places, parts.identity, **sizes)


@dataclass(frozen=True)
class _Kind:
    """How a backbone is made, and up to how many sensors all of them hear one another; saved models rely on the number."""

    make: Callable[[Parts], CompactBackbone]
    max_all_pairs: int
    takes_lists: bool  # of neighbours, above that number or where a user wants them


BACKBONES = {
    "morph_graph": _Kind(_morph_graph, 512, takes_lists=True),
    "patch_transformer": _Kind(_patch_transformer, 4096, takes_lists=False),
}


@dataclass(frozen=True)
class Dataset:
    """One store, scaled and cut for one model."""

    scaler: SeasonalScaler
    train: Windows
    val: Windows
    test: Windows
    network: Network
    embedding: int

    @property
    def positions(self) -> Tensor | None:
        """``[S, 2]``, as the store has them."""
        positions = self.network.sensors.positions
        return None if positions is None else torch.tensor(positions)

    @cached_property
    def modes(self) -> Tensor:
        """``[S, E]``, alike for locations that departed from their season together in the training part."""
        return leading_modes(departures(self.train, self.scaler).by_location(), self.embedding)


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
    """Raises ConfigError where a target is no channel, a part is too short for one window, or the season does not fit."""
    splits = chronological_splits(store.manifest.num_steps, shares)
    step = store.manifest.step_seconds
    chosen = season_for(season, step_seconds=step, train_seconds=step * (splits.train.stop - splits.train.start))
    time = torch.tensor(store.readings.time)
    train, val, test = (window_starts(time, rows, model.window, model.horizon) for rows in (splits.train, splits.val, splits.test))
    return DatasetPlan(chosen, splits.train, torch.tensor(_channel_indices(store, targets)), (train, val, test))


def make_dataset(store: SensorStore, model: ModelConfig, plan: DatasetPlan | None = None) -> Dataset:
    """Fit the scaler on the training part, scale the series, and index the windows of the three parts."""
    plan = plan or plan_dataset(store, model)
    scaler = fit_scaler(store.readings, plan.season, plan.train)
    scaler.quantity %= len(store.manifest.quantities)
    series = make_series(store.readings, scaler)
    train, val, test = (Windows(series, starts, model.window, model.horizon, plan.channels) for starts in plan.starts)
    return Dataset(scaler, train, val, test, network_of(store), model.embedding)


def chooser_of(dataset: Dataset, edges: Edges) -> Chooser:
    return Chooser(dataset.train, dataset.val, dataset.scaler, dataset.network, edges)


def forecaster_for(dataset: Dataset, model: ModelConfig, edges: Edges, seed: int) -> SparseForecaster:
    """A fresh forecaster to train on ``dataset``, whose locations begin as its modes."""
    begin = {"positions": dataset.positions, "identity": dataset.modes}
    return build_forecaster(model, dataset.scaler, edges, targets=dataset.train.targets.tolist(), seed=seed, **begin)


def build_forecaster(
    model: ModelConfig,
    scaler: SeasonalScaler,
    edges: Edges,
    *,
    targets: Sequence[int],
    seed: int,
    positions: Tensor | None = None,
    identity: Tensor | None = None,
) -> SparseForecaster:
    """A forecaster of the channels ``targets``; ``seed`` sets its weights, ``positions [S, 2]`` are saved with them.

    ``identity [S, E]`` is what the embeddings of the locations begin as, by default random.
    """
    num_sensors, num_channels = scaler.scale.shape
    shape = Shape(model.window, model.horizon, num_sensors, num_channels, len(targets), model.hidden)
    geometry = make_geometry(model, edges, num_sensors)
    num_calendar = calendar_features(torch.zeros(1, dtype=torch.int64)).shape[-1]
    with _SEEDED, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if identity is None:
            identity = torch.randn(num_sensors, model.embedding) / model.embedding**0.5
        backbone = BACKBONES[model.backbone].make(Parts(model, shape, geometry, num_calendar, positions, identity))
        readout = Readout(shape, geometry, targets, identity)
    return SparseForecaster(shape, backbone, readout, scaler)


def make_geometry(model: ModelConfig, edges: Edges, num_sensors: int) -> Geometry:
    """Who may hear whom, from settings and edges alone, so that a saved model is rebuilt with the same lists.

    Raises:
        ConfigError: the network needs neighbour lists, but has no edges to make them from, or the backbone takes none.
    """
    kind = BACKBONES[model.backbone]
    if model.neighbours is None and num_sensors <= kind.max_all_pairs:
        return AllPairs(proximity(edges, num_sensors))
    if not kind.takes_lists:
        _refuse_lists(model, num_sensors)
    if not len(edges):
        raise ConfigError(
            f"each of the {num_sensors} locations listens to its neighbours, but the store has no edges that tell who they are; "
            f"import it with edges or positions, or leave model.neighbours out for at most {kind.max_all_pairs} sensors"
        )
    return NeighbourLists(*neighbour_lists(edges, num_sensors, model.neighbours or NEIGHBOURS))


def _refuse_lists(model: ModelConfig, num_sensors: int) -> NoReturn:
    if model.neighbours is not None:
        raise ConfigError(
            f"model.neighbours must be left out for {model.backbone}, which attends to all sensors, but got {model.neighbours}; "
            "remove it, or use the backbone morph_graph"
        )
    raise ConfigError(
        f"{model.backbone} attends to at most {BACKBONES[model.backbone].max_all_pairs} sensors, but the store has {num_sensors}; "
        "raise data.patch, or use the backbone morph_graph"
    )


def proximity(edges: Edges, num_sensors: int) -> Tensor:
    """Edge weights as ``[location, sensor]``, largest 1; parallel edges keep the larger weight."""
    dense = torch.zeros(num_sensors, num_sensors)
    if not len(edges):
        return dense
    flat = torch.from_numpy(edges.target * num_sensors + edges.source)
    dense.view(-1).scatter_reduce_(0, flat, torch.tensor(edges.weight), "amax")
    return dense / dense.max().clamp(min=1e-12)


def _channel_indices(store: SensorStore, names: Sequence[str]) -> list[int]:
    known = [channel.name for channel in store.manifest.quantities]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(f"data.targets must name channels of the store ({', '.join(known)}), but got '{unknown[0]}'")
    chosen = [known.index(name) for name in names] or [0]
    return chosen if store.manifest.patching is None else target_channels(store.manifest.patching, chosen)
