"""Trains one model of an independent implementation in a plain loop.

    python -m benchmarks.parity.peer_training task.npz MODEL SEED OPTIONS

The peer's own interpreter runs it. Prints a JSON object: test errors in raw units, parameters,
seconds.
"""

import json
import sys
from copy import deepcopy
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.parity.peer_models import MODELS
from benchmarks.parity.peer_task import PeerTask

DAY, WEEK = 86_400, 604_800
EVALUATED_AT_ONCE = 256


class Windows:
    """Windows of z-scored readings, by the mean and deviation of the training part.

    A reading is 0 where nothing was observed.
    """

    def __init__(self, task: PeerTask) -> None:
        seen = slice(int(task.train[0]), int(task.train[-1]) + task.window + task.horizon)
        known = task.values[seen][task.observed[seen]]
        self.mean, self.deviation = float(known.mean()), float(known.std())
        self.observed = torch.from_numpy(task.observed)  # [N, S]
        scaled = (torch.from_numpy(task.values) - self.mean) / self.deviation
        self.scaled = scaled.masked_fill(~self.observed, 0.0)  # [N, S]
        self.clock = torch.from_numpy(
            np.stack([task.time % span / span for span in (DAY, WEEK)], -1)
        ).float()  # [N, 2]
        self.window, self.horizon = task.window, task.horizon

    def read(self, starts: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, T, S]`` and ``[B, T, 2]``."""
        rows = starts[:, None] + torch.arange(self.window)
        return self.scaled[rows], self.clock[rows]

    def error(self, forecast: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        """Absolute errors in raw units, and what was observed; ``[B, H, S]`` both.

        An error is 0 where nothing was observed.
        """
        rows = starts[:, None] + torch.arange(self.window, self.window + self.horizon)
        observed = self.observed[rows]
        return (forecast - self.scaled[rows]).abs() * self.deviation * observed, observed


class Peer:
    """A model, and how it is trained; the best epoch on the validation part counts."""

    def __init__(self, model: nn.Module, task: PeerTask) -> None:
        self.model, self.task, self.windows = model, task, Windows(task)
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=0.0, weight_decay=task.weight_decay
        )
        self.best, self.weights = float("inf"), deepcopy(model.state_dict())
        self.seconds: list[float] = []

    def train(self) -> None:
        val, starts = torch.from_numpy(self.task.val), torch.from_numpy(self.task.train)
        for batches, rates in zip(
            torch.from_numpy(self.task.batches), self.task.rates, strict=True
        ):
            began = process_time()
            self.model.train()
            for batch, rate in zip(batches, rates, strict=True):
                self._step(starts[batch], float(rate))
            error = ratio(self.errors(val))
            if error < self.best:
                self.best, self.weights = error, deepcopy(self.model.state_dict())
            self.seconds.append(process_time() - began)
        self.model.load_state_dict(self.weights)

    def _step(self, starts: Tensor, rate: float) -> None:
        error, observed = self.windows.error(self.model(*self.windows.read(starts)), starts)
        self.optimizer.zero_grad(set_to_none=True)
        (error.sum() / observed.sum().clamp(min=1) / self.windows.deviation).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.task.clip_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()

    @torch.no_grad()
    def errors(self, starts: Tensor) -> Tensor:
        """Absolute errors in raw units, summed, and how many there were.

        By horizon step, ``[2, H]``.
        """
        self.model.eval()
        total = torch.zeros(2, self.task.horizon, dtype=torch.float64)
        for some in starts.split(EVALUATED_AT_ONCE):
            parts = self.windows.error(self.model(*self.windows.read(some)), some)
            total += torch.stack([part.double().sum((0, 2)) for part in parts])
        return total


def ratio(errors: Tensor) -> float:
    return float(errors[0].sum() / errors[1].sum())


def main(path: str, name: str, seed: str, options: str) -> dict[str, Any]:
    task = PeerTask.load(Path(path))
    torch.manual_seed(int(seed))
    peer = Peer(MODELS[name](task, json.loads(options)), task)
    peer.train()
    errors = peer.errors(torch.from_numpy(task.test))
    return {
        "mae": ratio(errors),
        "by_step": (errors[0] / errors[1]).tolist(),
        "val_mae": peer.best,
        "parameters": sum(weight.numel() for weight in peer.model.parameters()),
        "epoch_seconds": median(peer.seconds),
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
