"""One checkpoint as bytes: a line that says what it is, a line with the settings it belongs to,
then tensors without pickle.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pickle import UnpicklingError
from typing import Any, NamedTuple

import torch

from dynst.errors import CheckpointError
from dynst.random_streams import STREAMS

__all__ = ["DamagedCheckpoint", "Unpacked", "Upgrade", "as_it_is", "differences", "pack", "unpack"]

FORMAT, VERSION = "dynst-checkpoint", 1
ABSENT = "nothing"
Upgrade = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class DamagedCheckpoint(CheckpointError):
    """Its content is not what was written."""


class Unpacked(NamedTuple):
    """Args:
    state: tensors and plain values.
    streams: version of the random streams that the training drew from, ``STREAMS`` of its DynST.
    """

    state: dict[str, Any]
    streams: int


def as_it_is(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings that need no upgrade."""
    return settings


def pack(state: Mapping[str, Any], spec: Mapping[str, Any]) -> bytes:
    """``state`` holds tensors and plain values, however nested.

    ``spec`` is JSON: the settings that a resumed run must have.
    """
    content = BytesIO()
    torch.save(dict(state), content)
    body = json.dumps(spec).encode() + b"\n" + content.getvalue()
    head = {
        "format": FORMAT,
        "version": VERSION,
        "streams": STREAMS,
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    return json.dumps(head).encode() + b"\n" + body


def unpack(
    content: bytes,
    spec: Mapping[str, Any],
    where: str,
    upgraded: Upgrade = as_it_is,
) -> Unpacked:
    """The state that was packed under the same ``spec``.

    Args:
        upgraded: makes settings that an earlier DynST wrote into today's.

    Raises:
        DamagedCheckpoint: the file is cut short, or some byte of it is another.
        CheckpointError: another version, or another spec; says which settings differ.
    """
    head, _, body = content.partition(b"\n")
    facts = _json(head, where)
    _check_head(facts, body, where)
    settings, _, tensors = body.partition(b"\n")
    found = differences(upgraded(_json(settings, where)), spec)
    if found:
        raise CheckpointError(
            f"{where} belongs to other settings ({'; '.join(found)}); resume with the settings it "
            f"was made with"
        )
    try:
        state: dict[str, Any] = torch.load(BytesIO(tensors), weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError, KeyError) as error:
        raise DamagedCheckpoint(
            f"{where} is damaged: its tensors cannot be read; remove it"
        ) from error
    return Unpacked(state, facts.get("streams", 1))


def differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One sentence for each dotted key that differs: ``training.epochs: 12 in the checkpoint, 20 in
    the job``.
    """
    old, new = dict(_flat(was)), dict(_flat(now))
    return [
        f"{key}: {json.dumps(old[key]) if key in old else ABSENT} in the checkpoint, "
        f"{json.dumps(new[key]) if key in new else ABSENT} in the job"
        for key in dict.fromkeys([*old, *new])
        if (key in old) != (key in new) or old.get(key) != new.get(key)
    ]


def _check_head(head: Any, body: bytes, where: str) -> None:
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise DamagedCheckpoint(
            f"{where} is damaged: it does not begin as a checkpoint does; remove it"
        )
    if head.get("version") != VERSION:
        raise CheckpointError(
            f"{where} must be of checkpoint version {VERSION}, but is of version "
            f"{head.get('version')}; resume with the DynST that wrote it, or start the job anew"
        )
    if head.get("sha256") != hashlib.sha256(body).hexdigest():
        raise DamagedCheckpoint(
            f"{where} is damaged: its content is not what was written; remove it"
        )


def _json(line: bytes, where: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise DamagedCheckpoint(
            f"{where} is damaged: it does not begin as a checkpoint does; remove it"
        ) from error


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
