"""No setting can be absurdly large: every number, text and list of every model has bounds."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from dynst.experiment.config import ExperimentConfig
from dynst_platform.config.cluster_profile import Profile
from dynst_platform.config.job import JobSpec
from dynst_platform.config.sweep import SweepSpec

FREE = {"options", "job", "set", "when", "choice", "grid"}  # checked as part of a job
Schema = dict[str, Any]
UPPER, LOWER = ("maximum", "exclusiveMaximum"), ("minimum", "exclusiveMinimum")


def unbounded(schema: Schema, definitions: Schema, place: str) -> Iterator[str]:
    """Places of a JSON schema where a value may be of any size."""
    if _is_endless(schema):
        yield f"{place}: {schema['type']}"
    for name, part in _parts(schema, definitions):
        yield from unbounded(part, definitions, place + name)


def _is_endless(schema: Schema) -> bool:
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return not all(any(name in schema for name in names) for names in (UPPER, LOWER))
    if kind == "string":
        return not {"maxLength", "enum", "const", "format"} & set(schema)
    entries = schema.get("items", {})
    return kind == "array" and not (
        "maxItems" in schema or "prefixItems" in schema or {"enum", "const"} & set(entries)
    )  # of an enumeration each entry stands once


def _parts(schema: Schema, definitions: Schema) -> Iterator[tuple[str, Schema]]:
    if "$ref" in schema:
        yield "", definitions[schema["$ref"].rpartition("/")[2]]
    for key in ("anyOf", "allOf", "prefixItems"):
        yield from (("", part) for part in schema.get(key, ()))
    for name, field in schema.get("properties", {}).items():
        if name not in FREE:
            yield f".{name}", field
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield "[]", schema[key]


@pytest.mark.parametrize("model", [JobSpec, SweepSpec, ExperimentConfig, Profile])
def test_every_setting_has_bounds(model: type[BaseModel]) -> None:
    schema = model.model_json_schema()
    assert list(unbounded(schema, schema.get("$defs", {}), model.__name__)) == []


def test_a_setting_without_bounds_is_found() -> None:
    class Careless(BaseModel):
        count: int = 1
        rates: tuple[float, ...] = ()
        name: str | None = None

    schema = Careless.model_json_schema()
    assert len(list(unbounded(schema, {}, "Careless"))) == 4
