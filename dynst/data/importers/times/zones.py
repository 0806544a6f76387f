"""Names of time zones as files write them."""

from typing import Any

import pandas as pd

__all__ = ["UTC_NAMES", "offset_name", "zone_name"]

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
    """``+09:00`` for the seconds that a clock is ahead of UTC."""
    minutes = abs(seconds) // 60
    sign = "-" if seconds < 0 else "+"
    return "UTC" if seconds == 0 else f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"
