"""From plain settings and a sensor store to a forecaster and its windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from dynst.backbones.all_pairs import AllPairs
from dynst.backbones.graph import MorphGraphNet
from dynst.backbones.neighbours import NeighbourLists
from dynst.backbones.protocol import Geometry, Shape
from dynst.backbones.readout import Readout
from dynst.data.candidates import neighbour_lists
from dynst.data.edges import Edges
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
    "make_dataset",
    "make_geometry",
    "plan_dataset",
    "proximity",
]

MAX_ALL_PAIRS, NEIGHBOURS = 512, 16  # saved models rely on both


class ModelConfig(BaseModel):
    """The forecaster's architecture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: Literal["morph_graph"] = "morph_graph"
    window: int = Field(12, ge=1, description="steps that the forecaster reads")
    horizon: int = Field(12, ge=1, description="steps that it forecasts")
    hidden: int = Field(32, ge=4, multiple_of=4)
    blocks: int = Field(2, ge=1)
    embedding: int = Field(16, ge=1)
    neighbours: int | None = Field(
        None, ge=1, description="sensors that a location listens to; by default all of them up to 512 sensors, 16 above"
    )


@dataclass(frozen=True)
class Dataset:
    """One store, scaled and cut for one model."""

    scaler: SeasonalScaler
    train: Windows
    val: Windows
    test: Windows
    network: Network


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
    series = make_series(store.readings, scaler)
    train, val, test = (Windows(series, starts, model.window, model.horizon, plan.channels) for starts in plan.starts)
    return Dataset(scaler, train, val, test, network_of(store))


def build_forecaster(model: ModelConfig, scaler: SeasonalScaler, edges: Edges, *, num_targets: int, seed: int) -> SparseForecaster:
    """A fresh forecaster whose initial weights depend on ``seed`` alone."""
    num_sensors, num_channels = scaler.scale.shape
    shape = Shape(model.window, model.horizon, num_sensors, num_channels, num_targets, model.hidden)
    geometry = make_geometry(model, edges, num_sensors)
    num_calendar = calendar_features(torch.zeros(1, dtype=torch.int64)).shape[-1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = MorphGraphNet(shape, geometry, num_calendar, blocks=model.blocks, embedding=model.embedding)
        readout = Readout(shape, geometry, embedding=model.embedding)
    return SparseForecaster(shape, backbone, readout, scaler)


def make_geometry(model: ModelConfig, edges: Edges, num_sensors: int) -> Geometry:
    """Who may hear whom, from settings and edges alone, so that a saved model is rebuilt with the same lists.

    Raises:
        ConfigError: the network needs neighbour lists, but has no edges to make them from.
    """
    if model.neighbours is None and num_sensors <= MAX_ALL_PAIRS:
        return AllPairs(proximity(edges, num_sensors))
    if not len(edges):
        raise ConfigError(
            f"each of the {num_sensors} locations listens to its neighbours, but the store has no edges that tell who they are; "
            f"import it with edges or positions, or leave model.neighbours out for at most {MAX_ALL_PAIRS} sensors"
        )
    return NeighbourLists(*neighbour_lists(edges, num_sensors, model.neighbours or NEIGHBOURS))


def proximity(edges: Edges, num_sensors: int) -> Tensor:
    """Edge weights as ``[location, sensor]``, largest 1; parallel edges keep the larger weight."""
    dense = torch.zeros(num_sensors, num_sensors)
    if not len(edges):
        return dense
    flat = torch.from_numpy(edges.target * num_sensors + edges.source)
    dense.view(-1).scatter_reduce_(0, flat, torch.tensor(edges.weight), "amax")
    return dense / dense.max().clamp(min=1e-12)


def _channel_indices(store: SensorStore, names: Sequence[str]) -> list[int]:
    if not names:
        return [0]
    unknown = [name for name in names if name not in store.channel_names]
    if unknown:
        raise ConfigError(
            f"data.targets must name channels of the store ({', '.join(store.channel_names)}), but got '{unknown[0]}'"
        )
    return [store.channel_names.index(name) for name in names]
