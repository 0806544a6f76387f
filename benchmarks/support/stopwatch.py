"""Seconds of a call: by the clock, and of the processor alone.

Other work on the machine does not lengthen the processor's.
"""

from collections.abc import Callable
from time import perf_counter, process_time

__all__ = ["by_clock", "of_processor"]


def by_clock(call: Callable[[], object]) -> float:
    started = perf_counter()
    call()
    return perf_counter() - started


def of_processor(call: Callable[[], object]) -> float:
    started = process_time()
    call()
    return process_time() - started
