"""Attempts in a process of their own, which is ended where it hangs."""

import multiprocessing
import resource
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from dynst.errors import DynstError

__all__ = ["Attempt", "Count", "Family", "count", "outcome", "run"]

PATIENCE = 20  # seconds until an attempt counts as one that hangs
START = 300  # seconds that a process may take to import everything and to make its examples
LARGEST = 2 * 2**30  # bytes of a process
FAULTS = ("traceback", "hang", "memory", "used")


class Family(Protocol):
    """One kind of input.

    Args:
        name: of the kind, in the plural.
        refused_always: whether damage must be noticed, since the input says what it was.
    """

    name: str
    refused_always: bool

    def prepare(self, folder: Path) -> None:
        """Make the examples that are damaged."""

    def attempt(self, examples: Path, folder: Path, seed: int) -> bool:
        """Damage one of the examples and use it.

        Args:
            examples: the folder that ``prepare`` filled; it must stay as it is.
            folder: an empty one.
            seed: of the damage.

        Returns:
            Whether there is any damage; an input may be as good as it was.

        Raises:
            DynstError: the input is refused.
        """


@dataclass(frozen=True)
class Attempt:
    """What became of one input."""

    seed: int
    outcome: str
    detail: str = ""
    memory: int = 0


@dataclass
class Count:
    """The outcomes of a family."""

    outcomes: Counter[str] = field(default_factory=Counter)
    memory: int = 0
    faults: list[Attempt] = field(default_factory=list)

    def add(self, attempt: Attempt) -> None:
        self.outcomes[attempt.outcome] += 1
        self.memory = max(self.memory, attempt.memory)
        if attempt.outcome in FAULTS:
            self.faults.append(attempt)


def outcome(family: Family, examples: Path, seed: int) -> Attempt:
    """Try one damaged input in this process."""
    with TemporaryDirectory() as folder:
        try:
            damaged = family.attempt(examples, Path(folder), seed)
        except DynstError as error:
            lines = str(error).splitlines()
            if len(lines) == 1:
                return Attempt(seed, "refused", lines[0])
            return Attempt(seed, "traceback", f"a message of {len(lines)} lines: {lines[0]}")
        except Exception:
            return Attempt(seed, "traceback", traceback.format_exc())
    if damaged and family.refused_always:
        return Attempt(seed, "used", "the damage was not noticed")
    return Attempt(seed, "accepted" if damaged else "unchanged")


def count(attempts: Iterator[Attempt]) -> Count:
    """Sum up a run."""
    found = Count()
    for attempt in attempts:
        found.add(attempt)
    return found


def run(family: Family, seeds: Sequence[int]) -> Iterator[Attempt]:
    """Try damaged inputs one after another in a second process."""
    with TemporaryDirectory() as examples:
        worker = _Worker(family, Path(examples))
        try:
            for seed in seeds:
                yield worker.attempt(seed)
        finally:
            worker.stop()


class _Worker:
    """A process that makes attempts, begun anew after each that hangs or dies."""

    def __init__(self, family: Family, examples: Path) -> None:
        self._family, self._examples = family, examples
        family.prepare(examples)
        self._process: SpawnProcess | None = None

    def attempt(self, seed: int) -> Attempt:
        if self._process is None:
            self._start()
        self._connection.send(seed)
        if not self._connection.poll(PATIENCE):
            self.stop()
            return Attempt(seed, "hang", f"longer than {PATIENCE} s")
        try:
            found: Attempt = self._connection.recv()
        except EOFError:
            self.stop()
            return Attempt(seed, "memory", "the process died")
        if found.memory > LARGEST:
            self.stop()
            return Attempt(seed, "memory", f"{found.memory >> 20} MiB", found.memory)
        return found

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._family, self._examples, theirs))
        self._process.start()
        theirs.close()
        if not self._connection.poll(START):
            raise TimeoutError(f"the process did not start within {START} s")
        self._connection.recv()


def _serve(family: Family, examples: Path, connection: Connection) -> None:
    connection.send("ready")
    while True:
        try:
            seed = connection.recv()
        except EOFError:
            return
        found = outcome(family, examples, seed)
        connection.send(Attempt(found.seed, found.outcome, found.detail, _peak()))


def _peak() -> int:
    """Bytes of this process at most, so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
