"""Functions of a test in a process of their own, to which the device of ``stand_in_device`` is
known before PyTorch derives anything: its engine counts the devices once.
"""

import multiprocessing
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from tests.stand_in_device import stand_in

__all__ = ["process_with_stand_in"]


@contextmanager
def process_with_stand_in() -> Iterator[ProcessPoolExecutor]:
    """One process that does what is submitted to it, in turn."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=_begin) as process:
        yield process


def _begin() -> None:
    warnings.simplefilter("ignore")  # of libraries, which pytest turns into errors elsewhere
    stand_in()
