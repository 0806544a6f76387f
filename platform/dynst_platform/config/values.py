"""What a settings file can hold, before it is checked."""

from pydantic import JsonValue

__all__ = ["Document", "JsonValue", "Overrides"]

Document = dict[str, JsonValue]
"""A mapping of a YAML or JSON file."""

Overrides = dict[str, JsonValue]
"""Values by dotted key, such as ``training.epochs``."""
