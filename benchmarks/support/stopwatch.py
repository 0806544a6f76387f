"""Seconds of a call: by the clock, and of the processor alone.

Other work on the machine does not lengthen the processor's.
"""

from collections.abc import Callable
from time import perf_counter, process_time
from typing import TypeVar

__all__ = ["by_clock", "clock_time", "of_processor", "processor_time"]

Result = TypeVar("Result")


def by_clock(call: Callable[[], object]) -> float:
    return clock_time(call)[0]


def of_processor(call: Callable[[], object]) -> float:
    return processor_time(call)[0]


def clock_time(call: Callable[[], Result]) -> tuple[float, Result]:
    """Seconds of the clock, and what the call returned."""
    started = perf_counter()
    result = call()
    return perf_counter() - started, result


def processor_time(call: Callable[[], Result]) -> tuple[float, Result]:
    """Seconds of the processor, and what the call returned."""
    started = process_time()
    result = call()
    return process_time() - started, result
