"""Names and zones out of pickles, which are looked at and never run.

PyTables keeps lists of column names and time zones as pickles. Their opcodes are read here like a
text; nothing is imported, called or built.
"""

import pickletools
from dataclasses import dataclass
from typing import Any

__all__ = ["Token", "listed_names", "tokens", "zone_in"]

STRUCTURE = {"PROTO", "FRAME", "MARK", "LIST", "EMPTY_LIST", "APPEND", "APPENDS", "STOP"}
STRUCTURE |= {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_TUPLE"}
TIMEZONE, TIMEDELTA = "datetime timezone", "datetime timedelta"
UTC = {"pytz _UTC", "pytz UTC", "dateutil.tz.tz tzutc"}


@dataclass(frozen=True)
class Token:
    """One value of a pickle, or the name of what it would call.

    Args:
        kind: "text", "number", "call" for a global name, "set" at the end of an entry of a dict,
            or "other".
    """

    kind: str
    value: Any = None


def tokens(pickled: bytes) -> list[Token]:
    """The values of a pickle in their order.

    Raises:
        ValueError: the bytes are no pickle.
    """
    found: list[Token] = []
    memo: dict[Any, Token] = {}
    last = Token("other")
    for operation, argument, _ in pickletools.genops(pickled):
        name = operation.name
        if name in STRUCTURE:
            continue
        if name in {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}:
            memo[len(memo) if argument is None else argument] = last
            continue
        if name in {"GET", "BINGET", "LONG_BINGET"}:
            last = memo.get(argument, Token("other"))
        elif name == "GLOBAL":
            last = Token("call", argument)
        elif name in {"SETITEM", "SETITEMS"}:
            last = Token("set")
        elif isinstance(argument, str):
            last = Token("text", argument)
        elif isinstance(argument, int | float) and not isinstance(argument, bool):
            last = Token("number", argument)
        else:
            last = Token("other")
        found.append(last)
    return found


def listed_names(pickled: bytes) -> list[str] | None:
    """The names in a pickled list of texts and numbers; None where it holds anything else."""
    try:
        found = tokens(pickled)
    except ValueError:
        return None
    if any(token.kind not in {"text", "number"} for token in found):
        return None
    return [str(token.value) for token in found]


def zone_in(found: list[Token]) -> str | int | None:
    """The name of a pickled zone, or its offset in seconds; None where it is neither."""
    texts = [token.value for token in found if token.kind == "text"]
    numbers = [token.value for token in found if token.kind == "number"]
    calls = [token.value for token in found if token.kind == "call"]
    if TIMEZONE in calls and TIMEDELTA in calls and len(numbers) >= 2:
        return int(numbers[0]) * 86_400 + int(numbers[1])
    if set(calls) & UTC:
        return 0
    named = [text for text in texts if "/" in text or text == "UTC"]
    return named[0] if len(named) == 1 else None
