"""Job files: YAML in, a checked job out. The only place that knows YAML, and the only one that applies overrides."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dynst.errors import ConfigError
from dynst_platform.spec import JobSpec

__all__ = ["check_job", "dump_job", "load_job", "parse_assignment", "with_overrides"]


def load_job(path: Path, assignments: Iterable[str] = ()) -> JobSpec:
    """Read a job file and apply ``key.path=value`` assignments.

    Raises:
        ConfigError: the file is absent, no YAML mapping, or breaks the job's schema.
    """
    if not path.is_file():
        near = sorted(str(other) for other in path.parent.glob("*.yaml"))
        hint = f"; beside it: {', '.join(near)}" if near else ""
        raise ConfigError(f"no job file at {path}{hint}; name an existing one")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path} must hold a mapping of job settings, but holds {type(document).__name__}")
    overrides = dict(parse_assignment(text) for text in assignments)
    return check_job(with_overrides(document, overrides), where=str(path))


def parse_assignment(text: str) -> tuple[str, Any]:
    """``training.epochs=5`` to ``("training.epochs", 5)``; the value is read as YAML."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set must be key=value, for instance training.epochs=5, but got '{text}'")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {key}: '{value}' is no YAML value; quote it") from error


def with_overrides(document: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a job document with dotted keys replaced; the same function serves the command line, sweeps and tests."""
    result = dict(document)
    for key, value in overrides.items():
        head, dot, rest = key.partition(".")
        if not dot:
            result[head] = value
            continue
        inner = result.get(head)
        result[head] = with_overrides(inner if isinstance(inner, Mapping) else {}, {rest: value})
    return result


def check_job(document: Mapping[str, Any], where: str = "job") -> JobSpec:
    """Raises ConfigError with one sentence about the first thing that is wrong, and how many more there are."""
    try:
        return JobSpec.model_validate(document)
    except ValidationError as error:
        problems = [_sentence(detail) for detail in error.errors()]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ConfigError(f"{where}: {problems[0]}{more}") from error


def dump_job(job: JobSpec) -> str:
    """The resolved job as YAML, every default written out."""
    return yaml.safe_dump(job.model_dump(mode="json"), sort_keys=False)


def _sentence(detail: ErrorDetails) -> str:
    place = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        known = _keys_at(detail["loc"][:-1])
        near = get_close_matches(str(detail["loc"][-1]), known, n=1, cutoff=0.4)
        hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}"
        return f"unknown key '{place}'; {hint}"
    if detail["type"] == "missing":
        return f"'{place}' is required, but absent; add it to the job"
    of_several = detail["type"] == "value_error" and isinstance(detail["input"], Mapping)  # settings, whose sentence is whole
    if of_several or not place:
        return detail["msg"].removeprefix("Value error, ")
    message = re.sub(r"^\w+ should", "must", detail["msg"].removeprefix("Value error, "))
    message = message.replace("must be a valid", "must be a").split(", unable to")[0]
    message = message.replace("a integer", "an integer")
    return f"'{place}' {message}, but got {detail['input']!r}"


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = JobSpec
    for part in location:
        model = model.model_fields[str(part)].annotation  # type: ignore[assignment]
    return list(model.model_fields)
