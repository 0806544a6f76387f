"""The YAML documents under ``infra/``, and walks through them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

__all__ = ["INFRA", "containers_in", "documents", "one"]

INFRA = Path(__file__).parents[2] / "infra"
Document = dict[str, Any]


def documents(path: Path) -> list[Document]:
    return [
        document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document
    ]


def one(path: Path) -> Document:
    (document,) = documents(path)
    return document


def containers_in(document: Any) -> Iterator[Document]:
    """Every container of every pod template, however deep."""
    if isinstance(document, list):
        for entry in document:
            yield from containers_in(entry)
    elif isinstance(document, dict):
        yield from document.get("containers", ())
        for value in document.values():
            yield from containers_in(value)
