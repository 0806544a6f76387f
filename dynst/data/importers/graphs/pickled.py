"""Pickles that may hold arrays and plain containers, and nothing that runs."""

import io
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dynst.errors import DataError

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


def read_pickled(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """``[ids, id → index, matrix]`` as DCRNN keeps it, or a bare matrix.

    Returns:
        the matrix ``[n, n]``, and the names of its rows and columns, if it has any.

    Raises:
        DataError: the file asks to run code, or its ids and indices contradict each other.
    """
    content = _ArraysOnly(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    parts = len(content) if isinstance(content, (list, tuple)) else 0
    if parts == DCRNN_PARTS and isinstance(content[1], dict):
        return np.asarray(content[2], float), _names(path, content[0], content[1])
    if isinstance(content, dict):
        raise DataError(
            f"{path} must hold a matrix, or ids, their indices and a matrix as DCRNN has it, but "
            f"holds a dictionary of {', '.join(map(str, list(content)[:5]))}; save the matrix alone"
        )
    return np.asarray(content, float), ()


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
        return super().find_class(module, name)
