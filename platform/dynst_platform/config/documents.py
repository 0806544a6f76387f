"""The one door for text that becomes settings: YAML and JSON, its size known before it is built.

What YAML would read as something else than what was meant, such as a date or an octal number, is
refused by its line.
"""

import json
import re
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

import yaml

from dynst.errors import ConfigError, in_one_line

__all__ = ["MOST_LEVELS", "parse_json", "parse_yaml", "read_text", "short", "shown"]

MOST_BYTES = 2**20
MOST_LEVELS, MOST_ENTRIES = 32, 100_000
LONGEST_NUMBER, LONGEST_KEY, LONGEST_SHOWN = 30, 1000, 80  # characters
OCTAL, SIXTIES = (
    re.compile(r"[-+]?0_*[0-7][0-7_]*"),
    re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+"),
)
PLAIN = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null")}
NESTED = {f"tag:yaml.org,2002:{kind}" for kind in ("seq", "map")}
TEXT, FLOAT = "tag:yaml.org,2002:str", "tag:yaml.org,2002:float"
NUMBERS = {"tag:yaml.org,2002:int", FLOAT}
MERGE = "tag:yaml.org,2002:merge"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_text(path: Path, what: str, most: int = MOST_BYTES) -> str:
    """The text of a file of settings, which may begin with a byte order mark.

    Raises:
        ConfigError: it cannot be read, is too large to be one, or is no UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
        if len(content) <= most:
            return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} must be UTF-8 text, but is not; save it so") from error
    except OSError as error:
        raise ConfigError(
            f"{what} {path} cannot be read ({error.strerror or in_one_line(error)}); check its "
            f"name and your permissions"
        ) from error
    raise ConfigError(
        f"{what} {path} must be at most {most / 2**20:g} MiB large, but is larger; name the "
        f"right file"
    )


def parse_yaml(text: str, where: str) -> Any:
    """What a YAML text says.

    Raises:
        ConfigError: it is no YAML, too large once its aliases are followed, or holds a key twice
            or a value that means something else than it looks like; the sentence names the line.
    """
    if "\0" in text:
        _refuse(where, text.count("\n", 0, text.index("\0")) + 1, "has a NUL byte", "remove it")
    try:
        _refuse_depth(text, where)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _Check(where).measure(node)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"{where} is no YAML: {_reason(error, text)}") from error
    except (yaml.YAMLError, ValueError, LookupError, RecursionError) as error:
        raise ConfigError(f"{where} is no YAML: {in_one_line(error)}") from error


def parse_json(text: str, where: str, *, finite: bool = True) -> Any:
    """What a JSON text says.

    Args:
        text: of a bounded size.
        where: for the message.
        finite: whether NaN and infinite numbers, which are no JSON, are refused.

    Raises:
        ConfigError: it is no JSON, nested too deep, or holds a key twice.
    """
    try:
        numbers: Any = {"parse_constant": _no_constant, "parse_float": _finite} if finite else {}
        return json.loads(text, object_pairs_hook=_once, **numbers)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where} is no JSON: {in_one_line(error)}; mend it") from error


def short(text: str) -> str:
    """As much of a text as a message repeats."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def shown(value: Any) -> str:
    """A value as a message repeats it; Python writes no number of thousands of digits."""
    try:
        return short(repr(value))
    except (ValueError, RecursionError):
        return "a number of thousands of digits, or one too deep to show"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key '{key[:60]}' stands there twice")
        found[key] = value
    return found


def _finite(text: str) -> float:
    return float(text) if isfinite(float(text)) else _no_constant(text[:LONGEST_NUMBER])


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no finite number")


def _refuse(where: str, line: int, what: str, remedy: str) -> NoReturn:
    raise ConfigError(f"{where}: line {line} {what}; {remedy}")


def _line(mark: Any) -> int:
    return int(mark.line) + 1


def _reason(error: yaml.MarkedYAMLError, text: str) -> str:
    """With the line, and a word on tabs, which YAML does not take for blanks."""
    mark = error.problem_mark
    if mark is None:
        return in_one_line(error)
    line = text.splitlines()[mark.line] if mark.line < len(text.splitlines()) else ""
    tab = (
        "; indent with blanks, not tabs"
        if line[: mark.column + 1].strip(" ").startswith("\t")
        else ""
    )
    return f"line {mark.line + 1}: {in_one_line(Exception(error.problem))}{tab}"


def _refuse_depth(text: str, where: str) -> None:
    """Before anything is built, since building goes as deep as the text."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MOST_LEVELS:
                _refuse(
                    where,
                    _line(event.start_mark),
                    f"is nested deeper than {MOST_LEVELS} levels",
                    "settings need four",
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Check:
    """How large a document is once its aliases are followed, and what must not stand in it."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.sizes: dict[int, int] = {}
        self.depths: dict[int, int] = {}
        self.open: set[int] = set()

    def measure(self, node: yaml.Node) -> int:
        """The number of entries below and with a node, each alias counted anew."""
        if id(node) in self.open:
            self.refuse(node, "is an alias that contains itself", "write it out")
        if id(node) not in self.sizes:
            self.open.add(id(node))
            self._look(node)
            children = list(_children(node))
            self.sizes[id(node)] = 1 + sum(map(self.measure, children))
            self.depths[id(node)] = 1 + max(
                (self.depths[id(child)] for child in children), default=0
            )
            self.open.remove(id(node))
        if self.sizes[id(node)] > MOST_ENTRIES or self.depths[id(node)] > MOST_LEVELS:
            self.refuse(
                node,
                f"stands for more than {MOST_ENTRIES:,} entries or {MOST_LEVELS} levels once its "
                "aliases are followed",
                "write out what is meant",
            )
        return self.sizes[id(node)]

    def refuse(self, node: yaml.Node, what: str, remedy: str) -> NoReturn:
        _refuse(self.where, _line(node.start_mark), what, remedy)

    def _look(self, node: yaml.Node) -> None:
        if isinstance(node, yaml.MappingNode):
            self._look_at_keys(node)
        if isinstance(node, yaml.ScalarNode):
            self._look_at_value(node)
        elif node.tag not in NESTED:
            self.refuse(node, f"has the tag {node.tag[:60]}", "leave it out")

    def _look_at_keys(self, node: yaml.MappingNode) -> None:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if key.tag == MERGE:
                continue
            if key.tag != TEXT:
                shown = key.value[:60] if isinstance(key, yaml.ScalarNode) else "a collection"
                self.refuse(key, f"has the key {shown}, which is no text", "put it in quotes")
            if len(key.value) > LONGEST_KEY or not key.value.isprintable():
                self.refuse(
                    key,
                    f"has a key of {len(key.value):,} characters or with control characters",
                    "no setting has such a name",
                )
            if key.value in lines:
                self.refuse(
                    key,
                    f"has the key '{key.value[:60]}', which stands in line {lines[key.value]} "
                    "already",
                    "keep one",
                )
            lines[key.value] = _line(key.start_mark)

    def _look_at_value(self, node: yaml.ScalarNode) -> None:
        text, shown = node.value, node.value[:LONGEST_NUMBER]
        if node.tag == "tag:yaml.org,2002:timestamp":
            self.refuse(node, f"has the date {shown}", "no setting is a date, so put it in quotes")
        if node.tag not in PLAIN | {MERGE}:
            self.refuse(node, f"has the tag {node.tag[:60]}", "leave it out, or put it in quotes")
        if node.tag not in NUMBERS:
            return
        if len(text) > LONGEST_NUMBER:
            self.refuse(node, f"has a number of {len(text):,} characters", "write a shorter one")
        if OCTAL.fullmatch(text) or SIXTIES.fullmatch(text):
            self.refuse(
                node,
                f"has {shown}, which YAML reads as an octal number or one of base 60",
                "write it without leading zeros or colons, or put it in quotes",
            )
        if node.tag == FLOAT and not _is_finite(text):
            self.refuse(node, f"has {shown}, which is no finite number", "write a finite one")


def _is_finite(text: str) -> bool:
    """Of YAML's numbers, which may be written with underscores, or as .inf and .nan."""
    try:
        return isfinite(float(text.replace("_", "").lstrip("+-.")))
    except ValueError:  # reported where it is built
        return True


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value
