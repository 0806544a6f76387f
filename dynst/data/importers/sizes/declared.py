"""What an array of a file declares, against what reading it would need at least."""

from collections.abc import Sequence
from math import prod

from dynst.errors import DataError
from dynst.storage.free_space import refuse_memory, size_text

__all__ = ["REMEDY", "refuse_array", "refuse_chunk", "refuse_sensors"]

REMEDY = "cut the file, or import it where more memory is free"
SENSOR_BYTES = 400  # its id, place and edges
SLACK = 2**16  # bytes by which a compressed chunk may exceed what it holds


def refuse_sensors(count: int) -> None:
    """Raise DataError where the table of so many sensors does not fit into memory."""
    refuse_memory(f"a table of {count:,} sensors", SENSOR_BYTES * count, REMEDY)


def refuse_array(what: str, shape: Sequence[int], item: int, chunk: Sequence[int] | None) -> None:
    """Refuse what does not fit into memory: one step, a chunk, or a whole array of one axis.

    Args:
        what: names the array.
        shape: of the array; its longest axis may be that of time.
        item: bytes of an entry.
        chunk: shape of what is unpacked together, if it is in chunks.

    Raises:
        DataError: one of these would need more memory than is free.
    """
    whole = prod(shape) * item
    step = whole if len(shape) < 2 else whole // max(1, *shape)
    refuse_memory(what, step, REMEDY)
    if chunk is not None:
        refuse_memory(
            f"a chunk of {what}", prod(chunk) * item, "write the file with smaller chunks"
        )


def refuse_chunk(what: str, stored: int, declared: int) -> None:
    """Raise DataError where a chunk is stored with more bytes than it declares to unpack to."""
    if stored > declared + declared // 8 + SLACK:
        raise DataError(
            f"a chunk of {what} must unpack to {size_text(declared)}, but {size_text(stored)} are "
            f"stored; the file is damaged, so write it again"
        )
