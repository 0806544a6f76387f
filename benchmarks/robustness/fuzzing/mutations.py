"""Random damage to files and to documents, all of it from a generator's seed."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
__all__ = ["NASTY", "damage_bytes", "damage_file", "damage_tree", "pick"]

Bytes = Callable[[bytes, np.random.Generator], bytes]
CELLS = (
    b"12.5", b"0", b"-1", b"17",
    b"1e400", b"-inf", b"nan", b"", b"9" * 400, b"1,5", b"0x10", b"\x00", b"\xff\xfe", b"\"",
    b"2024-02-30 00:00", b"31/31/2024", b"=1+1", b"\xf0\x9f\x92\xa7", b"-0", b"1_000", b"NULL",
)  # fmt: skip
NASTY: tuple[Any, ...] = (
    None, True, -1, 0, 10**18, 10**4000, float("nan"), float("inf"), -0.0, 1e308, "", " ", "..",
    "/", "a/b", "\0", "x" * 100_000, "[/h]", "no", "2024-01-01", "s3://key:secret@host/bucket",
    [], {}, [[]], {"": ""}, [1, "a", None], "mlflow.db", "stores", "💧", "\u202eabc", "$\\frac{$",
)  # fmt: skip
TEXTS = (".csv", ".dyna", ".geo", ".json", ".txt")
ONE_CELL = 0.6  # share of the damaged texts in which only a cell is another
MOST = 8  # places that are damaged in one file
LONGEST = 64  # bytes of one damage


def pick(choices: Sequence[T], rng: np.random.Generator) -> T:
    """One of a sequence."""
    return choices[int(rng.integers(len(choices)))]


def damage_file(path: Path, rng: np.random.Generator) -> None:
    """Change the bytes of a file, which stays where it is."""
    content = path.read_bytes()
    one_cell = path.suffix in TEXTS and rng.random() < ONE_CELL
    path.write_bytes(_cell(content, rng) if one_cell else damage_bytes(content, rng))


def damage_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    """Between one and a few kinds of damage, one after the other; never the same bytes."""
    changed = content
    while changed == content:
        for _ in range(int(rng.integers(1, 3))):
            changed = pick(DAMAGES, rng)(changed, rng)
    return changed


def damage_tree(document: Any, rng: np.random.Generator) -> Any:
    """A document of mappings and lists in which one place is another."""
    if isinstance(document, dict) and document and rng.random() < 0.9:
        key = pick(list(document), rng)
        if rng.random() < 0.1:
            return {name: value for name, value in document.items() if name != key}
        if rng.random() < 0.1:
            return document | {pick((1, None, "x" * 1000, f"{key}s", "a.b"), rng): pick(NASTY, rng)}
        return document | {key: damage_tree(document[key], rng)}
    if isinstance(document, list) and document and rng.random() < 0.7:
        place = int(rng.integers(len(document)))
        changed = damage_tree(document[place], rng)
        return [*document[:place], changed, *document[place + 1 :]]
    return _other(document, rng)


def _other(value: Any, rng: np.random.Generator) -> Any:
    """Another value: often near to the one that stands there."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and rng.random() < 0.4:
        return pick((-value, value * 1e9, value + 0.5, str(value), value * 10**20), rng)
    return pick(NASTY, rng)


def _flip(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content or b"\0")
    for place in rng.integers(len(changed), size=int(rng.integers(1, MOST))):
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(len(content) + 1))]


def _remove(content: bytes, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(len(content) + 1))
    return content[:start] + content[start + int(rng.integers(1, LONGEST)) :]


def _insert(content: bytes, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(len(content) + 1))
    return content[:start] + rng.bytes(int(rng.integers(1, LONGEST))) + content[start:]


def _repeat(content: bytes, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(len(content) + 1))
    part = content[start : start + int(rng.integers(1, LONGEST))]
    return content[:start] + part + content[start:]


def _swap(content: bytes, rng: np.random.Generator) -> bytes:
    first, second = sorted(rng.integers(len(content) + 1, size=2))
    return content[second:] + content[first:second] + content[:first]


def _overwrite(content: bytes, rng: np.random.Generator) -> bytes:
    """A number of the binary form as large or as small as it can be."""
    start = int(rng.integers(len(content) + 1))
    size = int(pick((1, 2, 4, 8), rng))
    return content[:start] + pick((b"\0", b"\xff", b"\x7f"), rng) * size + content[start + size :]


def _cell(content: bytes, rng: np.random.Generator) -> bytes:
    """A text between two separators becomes another."""
    separator = pick((b",", b"\n", b" "), rng)
    cells = content.split(separator)
    cells[int(rng.integers(len(cells)))] = pick(CELLS, rng)
    return separator.join(cells)


DAMAGES: tuple[Bytes, ...] = (
    _flip,
    _cut,
    _remove,
    _insert,
    _repeat,
    _swap,
    _overwrite,
    _cell,
)
