"""The version of cursors, sweep records and registry tags, and how an earlier one is read.

Checkpoints, models and reports have versions of their own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dynst.errors import DataError

__all__ = ["VERSION", "Upgrade", "todays"]

VERSION = "version"
Upgrade = Callable[[dict[str, Any]], dict[str, Any]]


def todays(
    document: Mapping[str, Any], where: str, upgrades: Sequence[Upgrade] = (), key: str = VERSION
) -> dict[str, Any]:
    """The fields of a document as its newest version has them, without the version itself.

    Args:
        document: of any version; one that names none is of the first.
        where: for the message.
        upgrades: from each version to the next, so that the newest is one more than there are.
        key: what the version stands at.

    Raises:
        DataError: it is of a version that is not known here.
    """
    newest, fields = len(upgrades) + 1, dict(document)
    version = fields.pop(key, 1)
    if not isinstance(version, int) or not 1 <= version <= newest:
        raise DataError(
            f"{where} must be of version 1 to {newest}, but is of version {version}; read it with "
            f"the DynST that wrote it, or a later one"
        )
    for upgrade in upgrades[version - 1 :]:
        fields = upgrade(fields)
    return fields
