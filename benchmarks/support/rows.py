"""Rows of measurements in a file of JSON lines: what is there is not measured again."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["RowFile"]


@dataclass(frozen=True)
class RowFile:
    """One measurement a line: what it belongs to, and what was found.

    Args:
        path: of the file, which need not exist.
    """

    path: Path

    def rows(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        with self.path.open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def row(self, key: Any, measure: Callable[[], Any]) -> dict[str, Any]:
        """The row of ``key``, measured where it is absent; both are dataclasses."""
        wanted = asdict(key)
        for row in self.rows():
            if row.items() >= wanted.items():
                return row
        found = wanted | asdict(measure())
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")
        return found
