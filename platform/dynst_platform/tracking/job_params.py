"""A job's settings as MLflow keeps them, a text for each dotted key, and back."""

import json
from collections.abc import Mapping
from typing import Any

from dynst_platform.config.values import Document, Overrides

__all__ = ["flat", "nested"]


def flat(document: Document, prefix: str = "") -> Overrides:
    found: Overrides = {}
    for key, value in document.items():
        name = f"{prefix}{key}"
        found |= (
            flat(value, f"{name}.")
            if isinstance(value, dict)
            else {name: json.dumps(value) if isinstance(value, list) else value}
        )
    return found


def nested(params: Mapping[str, str]) -> Document:
    """The document again; numbers stay texts, which a job's schema reads."""
    found: Document = {}
    for key, text in params.items():
        *path, last = key.split(".")
        place: dict[str, Any] = found
        for part in path:
            place = place.setdefault(part, {})
        place[last] = _value(text)
    return found


def _value(text: str) -> Any:
    if text == "None":
        return None
    return json.loads(text) if text.startswith("[") else text
