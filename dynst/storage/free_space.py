"""Free memory and disk of this machine or container, and the refusal of what needs more."""

import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

from dynst.errors import DataError

__all__ = ["free_disk", "free_memory", "refuse_disk", "refuse_memory", "size_text"]

CGROUPS, MEMORY, OWN = Path("/sys/fs/cgroup"), Path("/proc/meminfo"), Path("/proc/self")
UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB", "EB")


def free_memory() -> int:
    """Bytes that this process may still use: of the machine, of its container, by its own limit."""
    return max(0, min([_of_machine(), *_of_containers(), *_of_process()]))


def free_disk(folder: Path) -> int:
    """Bytes that may still be written into a folder, which need not exist yet."""
    there = next(
        place for place in (folder.absolute(), *folder.absolute().parents) if place.exists()
    )
    return shutil.disk_usage(there).free


def refuse_memory(what: str, needed: int, remedy: str) -> None:
    """Raise DataError where something does not fit into free memory.

    Args:
        what: would be read, such as "'x' of counts.npz".
        needed: bytes.
        remedy: what else to do.
    """
    free = free_memory()
    if needed > free:
        raise DataError(
            f"{what} would need {size_text(needed)} of memory, but {size_text(free)} are free; "
            f"{remedy}"
        )


def refuse_disk(what: str, needed: int, folder: Path) -> None:
    """Raise DataError where something does not fit onto the disk of a folder."""
    free = free_disk(folder)
    if needed > free:
        raise DataError(
            f"{what} would need {size_text(needed)} of disk, but {size_text(free)} are free at "
            f"{folder}; make room, cut the file, or take fewer steps with --resample"
        )


def size_text(count: float) -> str:
    """Bytes in the unit that suits them.

    Example:
        >>> size_text(4.2e12)
        '4.2 TB'
    """
    power = 0
    while count >= 1000 and power < len(UNITS) - 1:
        count, power = count / 1000, power + 1
    return f"{count:.3g} {UNITS[power]}"


def _of_machine() -> int:
    try:
        for line in MEMORY.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _of_containers() -> Iterator[int]:
    """What each group of processes that this one is in has left; pages of files count as free."""
    try:
        lines = (OWN / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, place = rest.partition(":")
        if number == "0":
            yield from _left(CGROUPS, place, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _left(CGROUPS / "memory", place, *names)


def _left(root: Path, place: str, limit: str, used: str, cached: str) -> Iterator[int]:
    own = root / place.lstrip("/")
    for folder in (own, *own.parents):
        try:
            most, now = (folder / limit).read_text().strip(), int((folder / used).read_text())
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            if most != "max":
                yield int(most) - now + int(stat.get(cached, 0))
        except (OSError, ValueError):  # the root has no limit
            pass
        if folder == root:
            return


def _of_process() -> Iterator[int]:
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most == resource.RLIM_INFINITY:
        return
    try:
        pages = int((OWN / "statm").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        pages = 0
    yield most - pages * os.sysconf("SC_PAGE_SIZE")
