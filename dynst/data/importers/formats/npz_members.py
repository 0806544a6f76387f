"""Arrays of an ``.npz`` archive by their names, without unpickling anything."""

import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dynst.data.importers.columns.first_cells import quoted
from dynst.data.importers.report import Finding, assumed
from dynst.errors import DataError

__all__ = ["Members"]


@dataclass
class Members:
    """The arrays of an archive, each read when it is asked for.

    Args:
        path: of the archive.
    """

    path: Path
    used: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        with zipfile.ZipFile(self.path) as archive:
            self.names = [name.removesuffix(".npy") for name in archive.namelist()]
            self._kinds = {name: self._kind(archive, name) for name in self.names}

    @staticmethod
    def _kind(archive: zipfile.ZipFile, name: str) -> np.dtype | None:
        member = f"{name}.npy" if f"{name}.npy" in archive.namelist() else name
        with archive.open(member) as file:
            try:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0
                read = np.lib.format.read_array_header_2_0 if version > (1, 0) else read
                return read(file)[2]
            except ValueError:
                return None

    def __contains__(self, name: str) -> bool:
        return name in self._kinds

    def is_object(self, name: str) -> bool:
        """Whether a member holds Python objects, which only unpickling would read."""
        kind = self._kinds[name]
        return kind is None or kind.hasobject

    def get(self, name: str, remedy: str) -> np.ndarray:
        """An array.

        Raises:
            DataError: it holds objects; ``remedy`` says what to do then.
        """
        self.used.add(name)
        if self.is_object(name):
            raise DataError(
                f"{self.path}: '{name}' holds Python objects, which may run code when they are "
                f"read and so are not; {remedy}"
            )
        with np.load(self.path, allow_pickle=False) as archive:
            array: np.ndarray = archive[name]
        return array

    def findings(self) -> tuple[Finding, ...]:
        """Members that nobody asked for."""
        left = [name for name in self.names if name not in self.used]
        if not left:
            return ()
        objects = [name for name in left if self.is_object(name)]
        why = f" ({quoted(objects)} of Python objects)" if objects else ""
        text = f"not read: {quoted(left)}{why}"
        return (
            assumed(
                text, "times are taken from an array 'time', ids from one of texts 'sensor_id'"
            ),
        )
