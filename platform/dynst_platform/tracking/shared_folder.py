"""A folder of the home and its copy in ``DYNST_STORAGE``, from which any other machine goes on.

Objects are replaced whole, in the order of the calls: data before the record that names them. So
what is there is at any moment a state that a run can go on from.
"""

import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from secrets import token_hex

import pyarrow as pa
from pyarrow import fs

from dynst.storage.addresses import problem_with, without_credentials
from dynst.storage.files import file_system, replace_object, replace_text
from dynst.storage.scratch import scratch_folder
from dynst_platform.config.locations import home, storage, use_home_of
from dynst_platform.errors import StorageError

__all__ = [
    "ALONE",
    "PARTS",
    "SharedFolder",
    "begin_shared",
    "check_storage",
    "fetched_run",
    "named_folder",
    "remembered",
    "shared_folder",
    "shared_home",
]

ADDRESS = "storage.txt"  # in a folder, where its copy is
PACKED, PARTS = ".tar", ".parts"
PART = 2**16  # bytes of a growing file that are one object
AT_ONCE = 16


@dataclass(frozen=True)
class SharedFolder:
    """Any process may have one; only one at a time writes.

    Args:
        folder: on this machine.
        address: of its copy; None where there is none, and nothing is done.
    """

    folder: Path
    address: str | None

    def put(self, path: Path, source: Path | None = None) -> None:
        """Copy a file, or a folder as one object; ``source`` has its content, if not ``path``.

        Raises:
            StorageError: it cannot be written.
        """
        if self.address is not None:
            source = source or path
            packed = source.is_dir()
            content = _packed(source) if packed else source.read_bytes()
            self._write(self._name(path) + (PACKED if packed else ""), content)

    def put_text(self, path: Path, text: str) -> None:
        """Write the copy alone.

        Raises:
            StorageError: it cannot be written.
        """
        self._write(self._name(path), text.encode())

    def check_writable(self) -> None:
        """Write a few bytes and remove them.

        Raises:
            StorageError: it cannot be done.
        """
        if self.address is not None:
            trial = self.folder / f".writable-{token_hex(4)}"
            self.put_text(trial, "dynst")
            self.remove(trial)

    def append(self, path: Path, line: bytes) -> None:
        """Copy a line that is about to be added to a file, with what belongs to the same object.

        Raises:
            StorageError: it cannot be written.
        """
        if self.address is None:
            return
        known = path.stat().st_size if path.exists() else 0
        number = known // PART
        content = _from(path, number * PART) + line
        for start in range(0, len(content), PART):
            name = f"{self._name(path)}{PARTS}/{number + start // PART:06d}"
            self._write(name, content[start : start + PART])

    def exists(self, path: Path) -> bool:
        """Whether the copy has this file."""
        return self.address is not None and self._is_file(self._name(path))

    def remove(self, path: Path) -> None:
        """The copy of a file, where there is one."""
        if self.exists(path):
            with self._reachable() as (files, root):
                files.delete_file(f"{root}/{self._name(path)}")

    def remove_all(self) -> None:
        """The whole copy, of what did not begin."""
        if self.address is not None:
            with self._reachable() as (files, root):
                if files.get_file_info(root).type == fs.FileType.Directory:
                    files.delete_dir(root)

    def read(self, path: Path) -> bytes | None:
        """The copy of a file; None where there is none."""
        return self._read(self._name(path)) if self.exists(path) else None

    def fetch(self, path: Path) -> None:
        """A file or a folder that is not here, where the copy has it."""
        if self.address is None or path.exists():
            return
        name = self._name(path)
        for found in (name, name + PACKED):
            if self._is_file(found):
                self._place(found, self._read(found))

    def refresh(self, path: Path) -> None:
        """Make a file or a folder what it is in the copy, where there is a copy."""
        if self.address is None:
            return
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        self.fetch(path)

    def fetch_all(self, below: str = "") -> bool:
        """Replace what is here by the copy; says whether it has anything.

        Args:
            below: a folder inside, by default all.

        Raises:
            StorageError: it cannot be read.
        """
        names = self.names(below)
        whole = [name for name in names if not PurePosixPath(name).parent.name.endswith(PARTS)]
        grown = sorted({str(PurePosixPath(name).parent) for name in set(names) - set(whole)})
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for name, content in zip(whole, pool.map(self._read, whole), strict=True):
                self._place(name, content)
            for folder in grown:
                parts = [name for name in names if name.startswith(f"{folder}/")]
                self._place(folder.removesuffix(PARTS), b"".join(pool.map(self._read, parts)))
        return bool(names)

    def names(self, below: str = "") -> list[str]:
        """Of all objects of the copy, sorted; drafts and locks, which are hidden, are none."""
        if self.address is None:
            return []
        with self._reachable() as (files, root):
            wanted = fs.FileSelector(
                f"{root}/{below}".rstrip("/"), recursive=True, allow_not_found=True
            )
            found = [info.path for info in files.get_file_info(wanted) if info.is_file]
        names = [path.removeprefix(root).lstrip("/") for path in found]
        return sorted(name for name in names if not PurePosixPath(name).name.startswith("."))

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _place(self, name: str, content: bytes) -> None:
        """Write an object to this machine, over what was there."""
        if ".." in PurePosixPath(name).parts:
            raise StorageError(f"{self._shown} holds '{name}', which is outside of it; remove it")
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == PACKED:
            _unpack(content, path.with_suffix(""))
            return
        draft = path.with_name(f".{path.name}.draft")
        draft.write_bytes(content)
        os.replace(draft, path)

    def _is_file(self, name: str) -> bool:
        with self._reachable() as (files, root):
            return bool(files.get_file_info(f"{root}/{name}").is_file)

    def _read(self, name: str) -> bytes:
        with self._reachable() as (files, root), files.open_input_stream(f"{root}/{name}") as file:
            content: bytes = file.read()
        return content

    def _write(self, name: str, content: bytes) -> None:
        with self._reachable() as (files, root):
            path = f"{root}/{name}"
            files.create_dir(path.rpartition("/")[0], recursive=True)
            replace_object(files, path, content)

    @property
    def _shown(self) -> str:
        return without_credentials(str(self.address))

    @contextmanager
    def _reachable(self) -> Iterator[tuple[fs.FileSystem, str]]:
        try:
            yield file_system(str(self.address))
        except (OSError, ValueError, pa.ArrowException) as error:
            raise StorageError(
                f"the copy of a run in {self._shown} cannot be read or written: "
                f"{problem_with(error)}"
            ) from error


ALONE = SharedFolder(Path(), None)


def check_storage() -> None:
    """Raises StorageError where ``DYNST_STORAGE`` is set and cannot be written."""
    SharedFolder(home(), storage()).check_writable()


def shared_home(folder: Path) -> SharedFolder:
    """A folder of any home, ``.../EXPERIMENT/NAME``, with its place in ``DYNST_STORAGE``."""
    root = storage()
    return SharedFolder(folder, root and f"{root}/{folder.parent.name}/{folder.name}")


def begin_shared(folder: Path) -> SharedFolder:
    """The same, and the folder remembers it, whatever ``DYNST_STORAGE`` is later."""
    return remembered(shared_home(folder))


def remembered(shared: SharedFolder) -> SharedFolder:
    """Let the folder on this machine, which is made, say where its copy is."""
    if shared.address is not None:
        shared.folder.mkdir(parents=True, exist_ok=True)
        replace_text(shared.folder / ADDRESS, shared.address)
    return shared


def shared_folder(folder: Path) -> SharedFolder:
    """As the folder remembers it; one that was begun without a copy has none."""
    path = folder / ADDRESS
    return SharedFolder(
        folder, path.read_text(encoding="utf-8").strip() if path.is_file() else None
    )


def fetched_run(name: str) -> Path | None:
    """The folder in this home of a run or a sweep that is named as ``EXPERIMENT/FOLDER``.

    Where it is not here yet, it comes from ``DYNST_STORAGE``. None where neither has it.

    Raises:
        StorageError: the copy cannot be read.
    """
    parts = PurePosixPath(name).parts
    if len(parts) != 2 or ".." in parts or name.startswith("/"):
        return None
    folder = home() / name
    if not (folder / ADDRESS).is_file():  # else it is refreshed under its lock
        shared = shared_home(folder)
        if shared.fetch_all():
            remembered(shared)
    return folder if folder.is_dir() else None


def named_folder(name: str, file: str) -> Path | None:
    """The folder of a run or a sweep that is named by its path, or as ``fetched_run`` takes it; its
    home is this process's from now on.

    Args:
        file: that such a folder holds; None is returned where it does not.

    Raises:
        StorageError: the copy cannot be read.
    """
    folder = Path(name).expanduser().resolve()
    if not (folder / file).is_file():
        folder = fetched_run(name) or folder
    if not (folder / file).is_file():
        return None
    use_home_of(folder)
    return folder


def _from(path: Path, start: int) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as file:
        file.seek(start)
        return file.read()


def _packed(folder: Path) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(folder, arcname="")
    return packed.getvalue()


def _unpack(content: bytes, folder: Path) -> None:
    """In place of a folder, which is whole or not there."""
    with scratch_folder(folder.parent, "fetched") as draft:
        arriving = draft / "folder"
        arriving.mkdir()
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.extractall(arriving, filter="data")
        shutil.rmtree(folder, ignore_errors=True)
        arriving.rename(folder)
