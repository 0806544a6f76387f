"""Two promotions and a rollback of one registered model."""

import subprocess
from collections.abc import Sequence

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from benchmarks.robustness.chaos.facts import Facts, registry_facts
from benchmarks.robustness.chaos.scenarios import Place
from benchmarks.robustness.chaos.trainings import SMALL
from benchmarks.support.commands import QUICKSTART, assignments, python_module
from benchmarks.support.ray_nodes import Failed

__all__ = ["Promotions"]

EXPERIMENTS = {"chaos-dear": "0.333", "chaos-cheap": "0.5"}  # and the share of sensors that are off
RULES = ("--max-over-dense", "10", "--min-sparsity", "0.1", "--format", "json")


class Promotions:
    """The dear model, the cheap one in its place, and the dear one again."""

    name = "promotion"
    victims: Sequence[str] = ("process", "process", "server")

    def __init__(self, place: Place) -> None:
        self._place, self._client = place, MlflowClient(place.server.address)
        for name, share in EXPERIMENTS.items():
            settings = [f"name={name}", f"sparsity.final={share}", "cluster.num_workers=0", *SMALL]
            self._run("train", str(QUICKSTART), *assignments(settings))

    def variables(self) -> dict[str, str]:
        return self._place.variables

    def prepare(self, key: str) -> None:
        pass

    def next_words(self, key: str, done: Sequence[str]) -> list[str] | None:
        """What is promoted already is not promoted again, since a rollback made twice is another
        one.
        """
        dear, cheap = EXPERIMENTS
        champions = self._champions(key)
        if champions == [dear, cheap, dear]:
            return None
        if champions == [dear, cheap]:
            return ["promote", "--model", key, "--rollback"]
        return ["promote", cheap if champions else dear, "--model", key, *RULES]

    def _champions(self, key: str) -> list[str]:
        """One after the other; also shows what a killed promotion left to be settled."""
        try:
            self._client.get_registered_model(key)
        except MlflowException:
            return []
        return [event[1] for event in self.facts(key)["history"]]

    def kill(self, victim: str) -> bool:
        raise Failed(f"{victim} is none of {self.victims}")

    def facts(self, key: str) -> Facts:
        history = self._run("registry", "history", key, "--format", "json")
        return registry_facts(self._client, key, history)

    def _run(self, *words: str) -> str:
        command = python_module("dynst_platform.main", *words)
        ended = subprocess.run(command, env=self.variables(), capture_output=True, text=True)
        if ended.returncode:
            raise Failed(f"{' '.join(words)}: {ended.stderr.strip()[-300:]}")
        return ended.stdout
