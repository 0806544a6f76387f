"""What the machine is called."""

import platform
from pathlib import Path

__all__ = ["processor"]


def processor() -> str:
    """The processor's name, or its architecture where the system gives no name."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
