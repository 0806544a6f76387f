"""The checkpoints of one job in a folder, local or behind an address: numbered, whole or not at
all, the last few and the best.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import fs

from dynst.errors import CheckpointError
from dynst.random_streams import STREAMS
from dynst.storage.addresses import problem_with, without_credentials
from dynst.storage.files import file_system, replace_object
from dynst.training.checkpoint_format import DamagedCheckpoint, Upgrade, as_it_is, pack, unpack

__all__ = ["Checkpoints", "FoundCheckpoint"]

SUFFIX = ".ckpt"
BEST = f"best{SUFFIX}"
TRIAL = "writable"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoundCheckpoint:
    """A usable checkpoint, and what had to be passed over to find it."""

    state: dict[str, Any]
    name: str
    damaged: tuple[str, ...]  # a sentence for each
    streams: int = STREAMS  # version of the random streams that it was trained with


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

    def save(self, state: Mapping[str, Any], best: bool = False) -> None:
        """Write one more, then forget the oldest.

        The ``best`` one is kept under a name of its own too.

        Raises:
            CheckpointError: the address cannot be written.
        """
        numbers = self._numbers()
        name = f"{numbers[-1] + 1 if numbers else 1:08d}{SUFFIX}"
        content = pack(state, self.spec)
        with self._reachable():
            self._files.create_dir(self._root, recursive=True)
            for target in (name, BEST) if best else (name,):
                self._write(target, content)
            for number in numbers[: max(0, len(numbers) + 1 - self.keep)]:
                self._files.delete_file(self._path(f"{number:08d}{SUFFIX}"))

    def load(self) -> FoundCheckpoint | None:
        """The newest that is whole; where it is damaged the one before it, and at last the best.

        None where there is none.

        Raises:
            CheckpointError: all of them are damaged, or the newest whole one is of another version
                or other settings.
        """
        damaged: list[str] = []
        for name in self._names():
            where = f"checkpoint {self.address}/{name}"
            try:
                found = unpack(self._read(name), self.spec, where, self._upgraded)
                return FoundCheckpoint(found.state, name, tuple(damaged), found.streams)
            except DamagedCheckpoint as error:
                logger.warning("%s; the one before it is tried", error)
                damaged.append(str(error))
        if damaged:
            raise CheckpointError(
                f"no checkpoint in {self.address} can be used ({'; '.join(damaged)}); start the "
                f"job anew"
            )
        return None

    def _names(self) -> list[str]:
        names = [f"{number:08d}{SUFFIX}" for number in reversed(self._numbers())]
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
