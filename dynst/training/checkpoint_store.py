"""The checkpoints of one job in a folder, local or behind an address: numbered, whole or not at
all, the last few and the best.

Where a network is cut, a checkpoint is a file of what all workers have alike, and one for each
share of its sensors, which the worker that has them writes and reads.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pyarrow import fs

from dynst.errors import CheckpointError
from dynst.random_streams import STREAMS
from dynst.storage.addresses import problem_with, without_credentials
from dynst.storage.files import file_system, replace_object
from dynst.training.checkpoint_format import DamagedCheckpoint, Upgrade, as_it_is, pack, unpack

__all__ = ["SAVED", "Checkpoints", "FoundCheckpoint"]

SUFFIX = ".ckpt"
BEST = f"best{SUFFIX}"
SAVED = "saved"  # a number that is the same in all files of a checkpoint
TRIAL = "writable"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoundCheckpoint:
    """A usable checkpoint, and what had to be passed over to find it."""

    state: dict[str, Any]
    name: str
    damaged: tuple[str, ...]  # a sentence for each
    streams: int = STREAMS  # version of the random streams that it was trained with
    shares: Mapping[str, dict[str, Any]] = field(default_factory=dict)  # those asked for


class Checkpoints:
    """One process writes them, any number may read.

    Args:
        address: a path, or ``file://``, ``s3://``, ``gs://`` and whatever else Arrow's file systems
            reach.
        spec: settings, as JSON would have them, which a checkpoint shares with the run that goes on
            from it.
        keep: how many of the newest stay, beside the best.
        upgraded: makes settings that an earlier DynST wrote into today's.
    """

    def __init__(
        self,
        address: str,
        spec: Mapping[str, Any],
        keep: int = 2,
        upgraded: Upgrade = as_it_is,
    ) -> None:
        self.address, self.spec, self.keep = without_credentials(address.rstrip("/")), spec, keep
        self._upgraded = upgraded
        with self._reachable():
            self._files, self._root = file_system(address.rstrip("/"))

    def check_writable(self) -> None:
        """Write a few bytes and remove them, with the folder where there was none.

        A wrong address is then reported before a training rather than after its first epoch.

        Raises:
            CheckpointError: the address cannot be written.
        """
        with self._reachable():
            new = self._files.get_file_info(self._root).type == fs.FileType.NotFound
            self._files.create_dir(self._root, recursive=True)
            self._write(TRIAL, b"dynst")
            self._files.delete_file(self._path(TRIAL))
            if new:
                self._files.delete_dir(self._root)

    def next_number(self) -> int:
        """Of the checkpoint that ``save`` will write."""
        numbers = self._numbers()
        return numbers[-1] + 1 if numbers else 1

    def save(self, state: Mapping[str, Any], best: bool = False) -> None:
        """Write one more, then forget the oldest.

        The ``best`` one is kept under a name of its own too.

        Args:
            state: where the checkpoint has shares, with ``saved``, the number that
                ``save_shares`` was given. They must be there already.
            best: whether it is.

        Raises:
            CheckpointError: the address cannot be written.
        """
        numbers, name = self._numbers(), _named(self.next_number())
        content = pack(state, self.spec)
        with self._reachable():
            self._files.create_dir(self._root, recursive=True)
            for target in (name, BEST) if best else (name,):
                self._write(target, content)
            for number in numbers[: max(0, len(numbers) + 1 - self.keep)]:
                self._forget(_named(number))

    def save_shares(
        self, number: int, saved: int, shares: Mapping[str, Mapping[str, Any]], best: bool = False
    ) -> None:
        """Write what belongs to some shares of the checkpoint that will have ``number``.

        Args:
            number: what ``next_number`` says.
            saved: the same in all files of the checkpoint, and in no other.
            shares: the state of each.
            best: whether the checkpoint is.

        Raises:
            CheckpointError: the address cannot be written.
        """
        with self._reachable():
            self._files.create_dir(self._root, recursive=True)
            for share, state in shares.items():
                content = pack({**state, SAVED: saved}, self.spec)
                for name in (_named(number), BEST) if best else (_named(number),):
                    self._write(_of_share(name, share), content)

    def load(
        self, shares: Sequence[str] = (), agreed: Callable[[bool], bool] = bool
    ) -> FoundCheckpoint | None:
        """The newest that is whole; where it is damaged the one before it, and at last the best.

        None where there is none.

        Args:
            shares: whose states are wanted too, where the checkpoint has them.
            agreed: from whether a checkpoint is whole here to whether it is so for all who read it.

        Raises:
            CheckpointError: all of them are damaged, or the newest whole one is of another version
                or other settings.
        """
        damaged: list[str] = []
        for name in self._names():
            where, found = f"checkpoint {self.address}/{name}", None
            try:
                found = self._found(name, where, shares, damaged)
            except DamagedCheckpoint as error:
                damaged.append(str(error))
            if agreed(found is not None) and found is not None:
                return found
            if found is not None:
                damaged.append(f"{where} is damaged for another worker; remove it")
            logger.warning("%s; the one before it is tried", damaged[-1])
        if damaged:
            raise CheckpointError(
                f"no checkpoint in {self.address} can be used ({'; '.join(damaged)}); start the "
                f"job anew"
            )
        return None

    def _found(
        self, name: str, where: str, shares: Sequence[str], damaged: Sequence[str]
    ) -> FoundCheckpoint:
        main = unpack(self._read(name), self.spec, where, self._upgraded)
        saved = main.state.pop(SAVED, None)
        states = {}
        for share in shares if saved is not None else ():
            states[share] = self._share(_of_share(name, share), saved)
        return FoundCheckpoint(main.state, name, tuple(damaged), main.streams, states)

    def _share(self, name: str, saved: int) -> dict[str, Any]:
        where = f"checkpoint {self.address}/{name}"
        with self._reachable():
            if self._files.get_file_info(self._path(name)).type != fs.FileType.File:
                raise DamagedCheckpoint(f"{where} is damaged: it is not there; start the job anew")
        state = unpack(self._read(name), self.spec, where, self._upgraded).state
        if state.pop(SAVED) != saved:
            raise DamagedCheckpoint(
                f"{where} is damaged: it was not saved together with the others; remove it"
            )
        return state

    def _forget(self, name: str) -> None:
        """A checkpoint first, then its shares: without it nobody asks for them."""
        self._files.delete_file(self._path(name))
        stem = name.removesuffix(SUFFIX)
        for info in self._files.get_file_info(fs.FileSelector(self._root)):
            if info.base_name.startswith(f"{stem}.share-"):
                self._files.delete_file(info.path)

    def _names(self) -> list[str]:
        names = [_named(number) for number in reversed(self._numbers())]
        with self._reachable():
            has_best = self._files.get_file_info(self._path(BEST)).type == fs.FileType.File
        return [*names, BEST] if has_best else names

    def _numbers(self) -> list[int]:
        with self._reachable():
            listed = self._files.get_file_info(fs.FileSelector(self._root, allow_not_found=True))
        stems = [
            info.base_name.removesuffix(SUFFIX)
            for info in listed
            if info.base_name.endswith(SUFFIX)
        ]
        return sorted(int(stem) for stem in stems if stem.isdecimal())

    def _write(self, name: str, content: bytes) -> None:
        replace_object(self._files, self._path(name), content)

    def _read(self, name: str) -> bytes:
        with self._reachable(), self._files.open_input_stream(self._path(name)) as file:
            content: bytes = file.read()
        return content

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, pa.ArrowException) as error:
            raise CheckpointError(
                f"checkpoints at {self.address} cannot be read or written: {problem_with(error)}"
            ) from error


def _named(number: int) -> str:
    return f"{number:08d}{SUFFIX}"


def _of_share(name: str, share: str) -> str:
    """The file of a share, beside the checkpoint ``name``."""
    return f"{name.removesuffix(SUFFIX)}.share-{share}{SUFFIX}"
