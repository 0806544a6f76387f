"""What settings were before they existed: for jobs that an earlier DynST recorded."""

from collections.abc import Mapping
from typing import Any

__all__ = ["with_earlier_defaults"]

EARLIER: dict[str, dict[str, Any]] = {
    "model": {"location_blocks": 0, "kriging": False},
    "search": {"withhold": False},
}


def with_earlier_defaults(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded job, with what a new setting does not change where it was not written down."""
    own = {name: recorded.get(name, {}) for name in EARLIER}
    mended = {
        name: {**EARLIER[name], **values}
        for name, values in own.items()
        if isinstance(values, Mapping)  # else the job's schema refuses it
    }
    return {**recorded, **mended}
