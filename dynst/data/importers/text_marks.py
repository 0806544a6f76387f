"""Whether a file holds the texts that the user says mean missing."""

from collections.abc import Sequence
from pathlib import Path

from dynst.data.importers.tabular.encodings import open_bytes
from dynst.errors import DataError

__all__ = ["refuse_absent_marks"]

BLOCK_BYTES = 4 * 2**20
SUFFIXES = (".csv", ".tsv", ".txt")
ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be")


def refuse_absent_marks(path: Path, marks: Sequence[str], encoding: str | None) -> None:
    """Refuse a text that means missing and that a text file does not hold: it has another spelling.

    Args:
        path: of the readings; files of other forms pass.
        marks: texts that mean missing.
        encoding: of the file, where the user says it.

    Raises:
        DataError: with the first such text.
    """
    if not path.is_file() or not path.name.removesuffix(".gz").endswith(SUFFIXES):
        return
    wanted = {
        mark: {mark.encode(name, "ignore") for name in (*ENCODINGS, encoding or "utf-8")}
        for mark in marks
    }
    absent = list(wanted)
    tail = b""
    with open_bytes(path) as file:
        while absent and (block := file.read(BLOCK_BYTES)):
            part = tail + block
            absent = [mark for mark in absent if not any(text in part for text in wanted[mark])]
            tail = part[-max(map(len, (text for texts in wanted.values() for text in texts))) :]
    if absent:
        raise DataError(
            f"--missing '{absent[0]}' had no effect, since the file does not hold it; leave it out"
        )
