"""Model classes of independent implementations behind one call.

Only the peer's own interpreter imports this file. Each model takes scaled readings ``[B, T, S]``
and the clock ``[B, T, 2]`` (the shares of the day and of the week that have passed). It returns
scaled forecasts ``[B, H, S]``. The code here only maps arguments.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.parity.peer_sparse import provide_torch_sparse
from benchmarks.parity.peer_task import PeerTask

__all__ = ["MODELS"]

Options = dict[str, Any]
DAY = 86_400


class BasicStid(nn.Module):
    """STID of BasicTS: by its authors."""

    def __init__(self, task: PeerTask, options: Options) -> None:
        super().__init__()
        stid = import_module("basicts.models.STID")
        sizes = {
            "input_len": task.window,
            "output_len": task.horizon,
            "num_features": task.num_sensors,
        }
        self.net = stid.STID(
            stid.STIDConfig(**sizes, num_time_in_day=steps_in_day(task), **options)
        )

    def forward(self, readings: Tensor, clock: Tensor) -> Tensor:
        forecast: Tensor = self.net(readings, clock)
        return forecast


class TslStid(nn.Module):
    """STID of tsl, with the time of the day."""

    def __init__(self, task: PeerTask, options: Options) -> None:
        super().__init__()
        self.steps_in_day = steps_in_day(task)
        sizes = {
            "input_size": 1,
            "n_nodes": task.num_sensors,
            "window": task.window,
            "horizon": task.horizon,
        }
        self.net = tsl_model("STIDModel")(**sizes, n_exog_emb=[self.steps_in_day], **options)

    def forward(self, readings: Tensor, clock: Tensor) -> Tensor:
        step = (clock[..., :1] * self.steps_in_day).round().long() % self.steps_in_day
        forecast: Tensor = self.net(readings[..., None], step).squeeze(-1)
        return forecast


class TslGraphWaveNet(nn.Module):
    """Graph WaveNet of tsl; it reads the time of the day beside the speed, as its authors' does.

    The graph is a sparse matrix.
    """

    def __init__(self, task: PeerTask, options: Options) -> None:
        super().__init__()
        sizes = {
            "input_size": 1,
            "output_size": 1,
            "exog_size": 1,
            "horizon": task.horizon,
            "n_nodes": task.num_sensors,
        }
        self.net = tsl_model("GraphWaveNetModel")(**sizes, **options)
        ends = torch.from_numpy(task.targets), torch.from_numpy(task.sources)
        size = (task.num_sensors, task.num_sensors)
        sparse = import_module("torch_sparse").SparseTensor
        self.graph = sparse(
            row=ends[0], col=ends[1], value=torch.from_numpy(task.weights), sparse_sizes=size
        )

    def forward(self, readings: Tensor, clock: Tensor) -> Tensor:
        forecast: Tensor = self.net(readings[..., None], self.graph, u=clock[..., :1]).squeeze(-1)
        return forecast


class TslAgcrn(nn.Module):
    """AGCRN of tsl, which reads the speed alone, as its authors' does."""

    def __init__(self, task: PeerTask, options: Options) -> None:
        super().__init__()
        sizes = {
            "input_size": 1,
            "output_size": 1,
            "horizon": task.horizon,
            "n_nodes": task.num_sensors,
        }
        self.net = tsl_model("AGCRNModel")(**sizes, **options)

    def forward(self, readings: Tensor, clock: Tensor) -> Tensor:
        forecast: Tensor = self.net(readings[..., None]).squeeze(-1)
        return forecast


MODELS: dict[str, Callable[[PeerTask, Options], nn.Module]] = {
    "basicts.STID": BasicStid,
    "tsl.STID": TslStid,
    "tsl.GraphWaveNet": TslGraphWaveNet,
    "tsl.AGCRN": TslAgcrn,
}


def tsl_model(name: str) -> Callable[..., nn.Module]:
    provide_torch_sparse()
    made: Callable[..., nn.Module] = getattr(import_module("tsl.nn.models"), name)
    return made


def steps_in_day(task: PeerTask) -> int:
    return DAY // int(task.time[1] - task.time[0])
