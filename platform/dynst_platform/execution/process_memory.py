"""How much memory this process has held."""

import resource
import sys

__all__ = ["peak_memory_mib"]


def peak_memory_mib() -> float:
    """At most until now, all that it imported included."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes of what the system counts
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
