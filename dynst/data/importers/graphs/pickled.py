"""Pickles that may hold arrays and plain containers, and nothing that runs."""

import io
import pickle
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dynst.data.importers.sizes.declared import REMEDY
from dynst.errors import DataError
from dynst.storage.free_space import refuse_memory

__all__ = ["read_pickled"]

ALLOWED_GLOBALS = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("_codecs", "encode"),
}
DCRNN_PARTS = 3
COPIES, LEAST_ENTRIES, MOST_LEVELS = 4, 10**6, 6
CONTAINERS = (list, tuple, dict, set, frozenset)
NDARRAY = "ndarray"  # stands for the class, which a pickle may name and not call


def _empty(kind: Any, shape: Any, dtype: Any) -> np.ndarray:
    """An array that its state fills; a pickle may ask for no size of its own."""
    if kind is not NDARRAY or tuple(shape) != (0,):
        raise DataError("a pickled graph may hold arrays with their entries alone; save it anew")
    return np.ndarray.__new__(np.ndarray, (0,), dtype)


def _scalar(dtype: np.dtype, *entry: Any) -> Any:
    """A number with its bytes."""
    if len(entry) != 1 or not isinstance(entry[0], bytes | str) or dtype.hasobject:
        raise DataError("a pickled graph may hold numbers with their bytes alone; save it anew")
    raw = entry[0].encode("latin1") if isinstance(entry[0], str) else entry[0]
    return np.frombuffer(raw, dtype)[0]


def _encoded(text: str, codec: str = "latin1") -> bytes:
    """Bytes as Python 2 and the first protocols keep them."""
    if codec.replace("-", "") != "latin1":
        raise DataError(f"a pickled graph may hold bytes as latin1, but has {codec[:20]}")
    return text.encode("latin1")


SAFE: dict[str, Any] = {
    "_reconstruct": _empty,
    "ndarray": NDARRAY,
    "scalar": _scalar,
    "encode": _encoded,
}


def read_pickled(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """``[ids, id → index, matrix]`` as DCRNN keeps it, or a bare matrix.

    Returns:
        the matrix ``[n, n]``, and the names of its rows and columns, if it has any.

    Raises:
        DataError: the file asks to run code, or its ids and indices contradict each other.
    """
    refuse_memory(str(path), COPIES * path.stat().st_size, REMEDY)
    raw = path.read_bytes()
    content = _ArraysOnly(io.BytesIO(raw), encoding="latin1").load()
    _refuse_nested(path, content, max(LEAST_ENTRIES, len(raw)))
    parts = len(content) if isinstance(content, (list, tuple)) else 0
    if parts == DCRNN_PARTS and isinstance(content[1], dict):
        return np.asarray(content[2], float), _names(path, content[0], content[1])
    if isinstance(content, dict):
        raise DataError(
            f"{path} must hold a matrix, or ids, their indices and a matrix as DCRNN has it, but "
            f"holds a dictionary of {', '.join(map(str, list(content)[:5]))}; save the matrix alone"
        )
    return np.asarray(content, float), ()


def _refuse_nested(path: Path, content: Any, most: int) -> None:
    """Refuse lists of lists that stand for more entries than the file has bytes.

    Raises:
        DataError: they do, or are nested deeper than a matrix and its names are.
    """
    level, count = [content], 0
    for _ in range(MOST_LEVELS):
        held = [each for each in level if isinstance(each, CONTAINERS)]
        count += sum(map(len, held))
        if not held:
            return
        if count > most:
            break
        level = [entry for each in held for entry in _entries(each)]
    raise DataError(
        f"{path} must hold a matrix, or ids, their indices and a matrix, but holds lists within "
        f"lists of more entries than the file has bytes, or more than {MOST_LEVELS} levels of "
        f"them; save the matrix alone as an array"
    )


def _entries(container: Any) -> Iterable[Any]:
    return (*container, *container.values()) if isinstance(container, dict) else container


def _names(path: Path, ids: Sequence[Any], index: dict[Any, Any]) -> tuple[str, ...]:
    names = tuple(map(_text, ids))
    places = {_text(name): int(place) for name, place in index.items()}
    wrong = [name for place, name in enumerate(names) if places.get(name, place) != place]
    if wrong:
        raise DataError(
            f"{path}: the list of ids and their indices contradict each other, first at "
            f"'{wrong[0]}', which is number {names.index(wrong[0])} of the list and has the index "
            f"{places[wrong[0]]}; make them alike"
        )
    return names


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


class _ArraysOnly(pickle.Unpickler):
    """Admits numpy arrays and plain containers.

    Anything that names other code is refused before it runs.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED_GLOBALS:
            raise DataError(
                f"a pickled graph may hold arrays and lists alone, but asks to run "
                f"'{module}.{name}'; do not trust this file"
            )
        return SAFE.get(name) or super().find_class(module, name)
