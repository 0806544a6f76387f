"""What is disturbed: one or more commands, that are gone on with after each kill."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.robustness.chaos.attempts import Attempt
from benchmarks.robustness.chaos.facts import Facts
from benchmarks.support.commands import environment
from benchmarks.support.tracking_server import TrackingServer

__all__ = ["Kill", "Place", "Result", "Scenario", "disturbed", "undisturbed"]

EARLIEST = 1.0  # seconds after the start of a process
AWAY = (1.0, 8.0)  # seconds until a killed server is started again
ATTEMPTS = 5  # of what nobody disturbs any more


@dataclass(frozen=True)
class Place:
    """Where all of it happens: one home, and one tracking server."""

    home: Path
    server: TrackingServer
    draws: random.Random

    @property
    def variables(self) -> dict[str, str]:
        return environment(self.home, OMP_NUM_THREADS="1", MLFLOW_TRACKING_URI=self.server.address)


class Scenario(Protocol):
    """One kind of work.

    ``victims`` are what is killed, by name: ``server`` is the tracking server, ``process`` the
    command itself.
    """

    @property
    def name(self) -> str: ...

    @property
    def victims(self) -> Sequence[str]: ...

    def variables(self) -> dict[str, str]: ...

    def prepare(self, key: str) -> None:
        """What is there before anything is disturbed."""

    def next_words(self, key: str, done: Sequence[str]) -> list[str] | None:
        """What a user types next, where ``done`` is what just ended with exit code 0.

        None where nothing is left to do.
        """

    def kill(self, victim: str) -> bool:
        """Kill a process other than the two; whether there was one."""

    def facts(self, key: str) -> Facts: ...


@dataclass(frozen=True)
class Kill:
    victim: str
    seconds: float  # after the start of the process

    def __str__(self) -> str:
        return f"{self.victim} after {self.seconds:.1f} s"


@dataclass
class Result:
    """Of one undertaking."""

    kills: list[Kill] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    longest: float = 0.0  # seconds of its longest process


def undisturbed(scenario: Scenario, place: Place, key: str) -> Result:
    return disturbed(scenario, place, key, [], 0.0)


def disturbed(
    scenario: Scenario, place: Place, key: str, victims: Sequence[str], length: float
) -> Result:
    """Kill one victim after the other, then let it come to its end.

    Args:
        key: of the undertaking: the name of its experiment or of its registered model.
        length: seconds of the longest undisturbed process, over which the kills are spread. Where
            a process ends before, its victim is due in the next one.
    """
    scenario.prepare(key)
    result, began, due, left = Result(), time.monotonic(), list(victims), ATTEMPTS
    done: Sequence[str] = ()
    while (words := scenario.next_words(key, done)) is not None and left:
        attempt, kills = Attempt(words, scenario.variables(), place.home), len(result.kills)
        gap = 2 * length / (len(victims) + 1)
        while due and _strike(scenario, place, attempt, due[0], gap, result):
            if due.pop(0) == "process":
                break
        ended = attempt.ended()
        result.longest = max(result.longest, attempt.seconds)
        result.faults += [f"{' '.join(words)}: {fault}" for fault in ended.faults]
        done = words if ended.code == 0 else ()
        left -= ended.code != 0 and kills == len(result.kills)
    if not left:
        result.faults.append(f"no end after {ATTEMPTS} attempts: {ended.err.strip()[-300:]}")
    result.seconds = time.monotonic() - began
    return result


def _strike(
    scenario: Scenario, place: Place, attempt: Attempt, victim: str, gap: float, result: Result
) -> bool:
    """Kill the victim at a random moment, or as soon as there is one; False where the process has
    ended by then.
    """
    moment = attempt.seconds + place.draws.uniform(EARLIEST, max(EARLIEST, gap))
    while attempt.goes_on_until(moment):
        kill = Kill(victim, attempt.seconds)
        if _killed(scenario, place, attempt, victim):
            result.kills.append(kill)
            return True
        moment = attempt.seconds + 0.2
    return False


def _killed(scenario: Scenario, place: Place, attempt: Attempt, victim: str) -> bool:
    if victim == "process":
        attempt.kill()
    elif victim == "server":
        place.server.kill()
        time.sleep(place.draws.uniform(*AWAY))
        place.server.start()
    else:
        return scenario.kill(victim)
    return True
