"""Job and sweep files: YAML in, checked settings out.

The only place that knows YAML, and the only one that applies overrides.
"""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dynst.errors import ConfigError, in_one_line
from dynst_platform.config.credentials import redacted
from dynst_platform.config.documents import (
    MOST_LEVELS,
    parse_yaml,
    read_text,
    short,
    shown,
)
from dynst_platform.config.earlier import with_earlier_defaults
from dynst_platform.config.job import JobSpec
from dynst_platform.config.sweep import Dimension, SweepSpec
from dynst_platform.config.values import Document

__all__ = [
    "check_job",
    "check_space",
    "dump_document",
    "dump_spec",
    "load_either",
    "load_job",
    "load_sweep",
    "parse_assignment",
    "value_at",
    "with_overrides",
]

Spec = TypeVar("Spec", bound=BaseModel)
MOST_SHOWN = 20  # files named in a message


def load_job(
    path: Path,
    assignments: Iterable[str] = (),
    model: Document | None = None,
    recorded: bool = False,
) -> JobSpec:
    """Read a job file and apply ``key.path=value`` assignments.

    Args:
        path: of the file.
        assignments: as they stand on a command line.
        model: settings in place of all that the file has for the model.
        recorded: whether it is a run's own copy, whose credentials are left out and not refused,
            since an earlier DynST has written some down; new settings are as it knew none.

    Raises:
        ConfigError: the file is absent, no YAML mapping, or breaks the job's schema.
    """
    document = _mapping(path, "job") | ({} if model is None else {"model": model})
    document = with_earlier_defaults(redacted(document)) if recorded else document
    return check_job(_assigned(document, assignments), where=str(path))


def load_sweep(path: Path, assignments: Iterable[str] = (), recorded: bool = False) -> SweepSpec:
    """Read a sweep file, put its base job in place of the job's path, and apply assignments.

    Args:
        path: of the file.
        assignments: as they stand on a command line.
        recorded: whether it is a sweep's own copy, whose job has new settings as it knew none.

    Raises:
        ConfigError: as for a job; or a key of the space or one of its values does not fit the job.
    """
    document = _mapping(path, "sweep")
    job, changes = document.get("job"), document.get("set")
    if isinstance(job, str):
        document["job"] = job = _mapping(path.parent / job, "job")
    if isinstance(job, dict) and isinstance(changes, dict):
        document["job"] = job = with_overrides(job, changes)
        del document["set"]
    if isinstance(job, dict) and recorded:
        document["job"] = with_earlier_defaults(job)
    document = _assigned(document, assignments)
    sweep = _check(SweepSpec, document, str(path))
    check_space(sweep, str(path))
    return sweep


def load_either(path: Path, assignments: Iterable[str] = ()) -> JobSpec | SweepSpec:
    """A sweep where the file has a space to search, a job otherwise.

    Raises:
        ConfigError: as for each of them.
    """
    is_sweep = "space" in _mapping(path, "job or sweep")
    return load_sweep(path, assignments) if is_sweep else load_job(path, assignments)


def check_space(sweep: SweepSpec, where: str = "sweep") -> None:
    """Try every key of the space with the ends of its range, or all its values, on the base job."""
    check_job(sweep.job, f"{where}: job")
    for key, dimension in sweep.space.items():
        for value in dimension.extremes:
            needed = {
                other: wanted[0] if isinstance(wanted, list) else wanted
                for other, wanted in dimension.when.items()
            }
            check_job(with_overrides(sweep.job, needed | {key: value}), f"{where}: space: {key}")


def value_at(document: Mapping[str, Any], key: str) -> Any:
    """What stands at a dotted key; None where nothing does."""
    for part in key.split("."):
        document = document.get(part) if isinstance(document, Mapping) else None  # type: ignore[assignment]
    return document


def _mapping(path: Path, kind: str) -> Document:
    if not _is_file(path):
        near = sorted(str(other) for other in islice(path.parent.glob("*.yaml"), MOST_SHOWN))
        hint = f"; beside it: {', '.join(near)}" if near else ""
        raise ConfigError(f"no {kind} file at {path}{hint}; name an existing one")
    document = parse_yaml(read_text(path, f"the {kind} file"), str(path))
    if not isinstance(document, dict):
        raise ConfigError(
            f"{path} must hold a mapping of {kind} settings, but holds {type(document).__name__}"
        )
    return document


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _assigned(document: Mapping[str, Any], assignments: Iterable[str]) -> Document:
    return with_overrides(document, dict(parse_assignment(text) for text in assignments))


def parse_assignment(text: str) -> tuple[str, Any]:
    """``training.epochs=5`` to ``("training.epochs", 5)``; the value is read as YAML."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            f"--set must be key=value, for instance training.epochs=5, but got {shown(text)}"
        )
    try:
        return key.strip(), parse_yaml(value, f"--set {short(key.strip())}")
    except ConfigError as error:
        raise ConfigError(f"{error}; quote {shown(value)} if it is a text") from error


def with_overrides(document: Mapping[str, Any], overrides: Mapping[str, Any]) -> Document:
    """A copy of a job document with dotted keys replaced.

    The same function serves the command line, sweeps and tests.

    Raises:
        ConfigError: a key is nested deeper than a document may be.
    """
    result = dict(document)
    for key, value in overrides.items():
        if key.count(".") > MOST_LEVELS:
            raise ConfigError(f"'{short(key)}' is no setting of a job; name one with fewer dots")
        head, dot, rest = key.partition(".")
        if not dot:
            result[head] = value
            continue
        inner = result.get(head)
        result[head] = with_overrides(inner if isinstance(inner, Mapping) else {}, {rest: value})
    return result


def check_job(document: Mapping[str, Any], where: str = "job") -> JobSpec:
    """Raises ConfigError with one sentence about the first thing that is wrong, and how many more
    there are.
    """
    return _check(JobSpec, document, where)


def _check(model: type[Spec], document: Mapping[str, Any], where: str) -> Spec:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        details = error.errors()
        first = _alternatives(model, details)
        others = len(details) - len(first)
        more = f" (and {others} more)" if others else ""
        problem = _sentence(model, first[0]) if len(first) == 1 else _none_of(first)
        raise ConfigError(f"{where}: {in_one_line(Exception(problem))}{more}") from error


def dump_spec(spec: BaseModel) -> str:
    """The resolved job or sweep as YAML, every default written out."""
    return dump_document(spec.model_dump(mode="json", by_alias=True))


def dump_document(document: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(document), sort_keys=False)


def _alternatives(model: type[BaseModel], details: list[ErrorDetails]) -> list[ErrorDetails]:
    """The first problem, with those of the other forms that the same setting may have."""
    place = details[0]["loc"][:-1]
    if not place or details[0]["loc"][-1] in _keys_at(model, place):
        return details[:1]
    same = [each for each in details if each["loc"][:-1] == place]
    forms = all(each["input"] is details[0]["input"] for each in same)
    return same if forms and details[0]["type"] != "extra_forbidden" else details[:1]


def _none_of(details: list[ErrorDetails]) -> str:
    """Of a setting that fits none of its forms."""
    place = short(".".join(str(part) for part in details[0]["loc"][:-1]))
    forms = " or ".join(_demand(detail).removeprefix("must be ") for detail in details)
    return f"'{place}' must be {forms}, but got {shown(details[0]['input'])}"


def _demand(detail: ErrorDetails) -> str:
    """``must be …``, in our words."""
    message = re.sub(r"^\w+ should", "must", detail["msg"].removeprefix("Value error, "))
    message = message.replace("must be a valid", "must be a").split(", unable to")[0]
    return message.replace("a integer", "an integer")


def _sentence(model: type[BaseModel], detail: ErrorDetails) -> str:
    place = short(".".join(str(part) for part in detail["loc"]))
    if detail["type"] == "extra_forbidden":
        known = _keys_at(model, detail["loc"][:-1])
        near = get_close_matches(short(str(detail["loc"][-1])), known, n=1, cutoff=0.4)
        hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}"
        return f"unknown key '{place}'; {hint}"
    if detail["type"] == "missing":
        return f"'{place}' is required, but absent; add it"
    of_several = detail["type"] == "value_error" and isinstance(
        detail["input"], Mapping
    )  # settings, whose sentence is whole
    if of_several or not place:
        return detail["msg"].removeprefix("Value error, ")
    quote = "; put it in quotes if it is a text" if detail["type"] == "string_type" else ""
    return f"'{place}' {_demand(detail)}, but got {shown(detail['input'])}{quote}"


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:  # an entry of a mapping
            model = Dimension
            continue
        model = field.annotation if isinstance(field.annotation, type) else model
    return [field.alias or name for name, field in model.model_fields.items()]
