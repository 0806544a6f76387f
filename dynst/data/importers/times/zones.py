"""Names of time zones as files write them."""

from typing import Any

import pandas as pd

from dynst.data.clock import offset_text

__all__ = ["UTC_NAMES", "offset_name", "offset_seconds", "zone_name"]

UTC_NAMES = {"UTC", "GMT", "Z", "UTC+00:00"}


def zone_name(zone: Any) -> str:
    """The name of a ``tzinfo`` as ``Clock`` has it."""
    name = getattr(zone, "key", None) or getattr(zone, "zone", None) or str(zone)
    if name in UTC_NAMES:
        return "UTC"
    if isinstance(name, str) and "/" in name:
        return name
    ahead = pd.Timestamp("2024-01-01", tz=zone).utcoffset()
    assert ahead is not None
    return offset_name(int(ahead.total_seconds()))


def offset_name(seconds: int) -> str:
    """``+09:00``, or ``UTC``, for the seconds that a clock is ahead of UTC."""
    return "UTC" if seconds == 0 else offset_text(seconds)


def offset_seconds(text: str) -> int:
    """Seconds that a clock is ahead of UTC, from ``+09:00``, ``-0330``, ``+9``; 0 for a name."""
    if text[:1] not in {"+", "-"}:
        return 0
    digits = text[1:].replace(":", "")
    hours, minutes = (digits, "0") if len(digits) <= 2 else (digits[:-2], digits[-2:])
    return (-1 if text[0] == "-" else 1) * (int(hours) * 3_600 + int(minutes) * 60)
