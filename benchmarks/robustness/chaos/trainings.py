"""Trainings, sweeps, and trainings that are sent later."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from benchmarks.robustness.chaos.facts import Facts, experiment_facts
from benchmarks.robustness.chaos.scenarios import Place
from benchmarks.support.commands import JOBS, QUICKSTART, assignments, python_module
from benchmarks.support.ray_nodes import Failed, Nodes

__all__ = ["ClusterTraining", "Sweep", "Sync", "Training"]

SMALL = ("training.epochs=4", "training.steps_per_epoch=20", "sparsity.scheme=dynamic")
SWEEP = JOBS / "sweeps" / "search_benchmark.yaml"
SMALL_SWEEP = ("searcher=random", "trials=6", "job.training.epochs=8")


class Training:
    """In the calling process; the command and the tracking server are killed."""

    name = "training"
    victims: Sequence[str] = ("process", "server")
    settings: Sequence[str] = ("cluster.num_workers=0",)

    def __init__(self, place: Place) -> None:
        self._place, self._client = place, MlflowClient(place.server.address)

    def variables(self) -> dict[str, str]:
        return self._place.variables

    def prepare(self, key: str) -> None:
        pass

    def next_words(self, key: str, done: Sequence[str]) -> list[str] | None:
        folder = self.folder(key)
        if folder is None:
            return self.first_words(key)
        if not (folder / "finished").exists():
            return ["train", "--resume", str(folder), "--format", "json"]
        return None if done == ["sync"] else ["sync"]

    def first_words(self, key: str) -> list[str]:
        settings = [f"name={key}", *SMALL, *self.settings]
        return ["train", str(QUICKSTART), *assignments(settings), "--format", "json"]

    def folder(self, key: str) -> Path | None:
        return next((path.parent for path in self._place.home.glob(f"{key}/*/job.yaml")), None)

    def kill(self, victim: str) -> bool:
        raise Failed(f"{victim} is none of {self.victims}")

    def facts(self, key: str) -> Facts:
        return experiment_facts(self._client, key)


class ClusterTraining(Training):
    """Two workers on two Ray nodes; also a worker, and the raylet of the second node."""

    name = "training on two nodes"
    victims: Sequence[str] = ("process", "worker", "raylet", "server")

    def __init__(self, place: Place, nodes: Nodes) -> None:
        super().__init__(place)
        self._nodes = nodes
        self.settings = (f"cluster.address={nodes.address}", "cluster.num_workers=2")

    def variables(self) -> dict[str, str]:
        return self._nodes.environment | super().variables()

    def prepare(self, key: str) -> None:
        self._nodes.ensure_second()

    def kill(self, victim: str) -> bool:
        try:
            (self._nodes.worker() if victim == "worker" else self._nodes.raylet()).kill()
        except Failed:
            return False
        if victim == "raylet":
            self._nodes.add_second()
        return True


class Sync(Training):
    """A training of which MLflow knew nothing is sent."""

    name = "sync"

    def first_words(self, key: str) -> list[str]:
        return [*super().first_words(key), "--offline"]

    def prepare(self, key: str) -> None:
        command = python_module("dynst_platform.main", *self.first_words(key))
        subprocess.run(command, env=self.variables(), check=True, capture_output=True)


class Sweep(Training):
    """A random search, whose driver is killed."""

    name = "sweep"

    def next_words(self, key: str, done: Sequence[str]) -> list[str] | None:
        run = self._run(key)
        if run is None:
            settings = [f"name={key}", *SMALL_SWEEP]
            return ["tune", str(SWEEP), *assignments(settings), "--format", "json"]
        if run.info.status == "FINISHED":
            return None
        return ["tune", "--resume", run.info.run_id, "--format", "json"]

    def _run(self, key: str) -> Run | None:
        """Of the sweep in MLflow, where there is one already."""
        experiment = self._client.get_experiment_by_name(key)
        found = (
            []
            if experiment is None
            else self._client.search_runs(
                [experiment.experiment_id], "tags.`dynst.kind` = 'sweep'", max_results=1
            )
        )
        return found[0] if found else None
