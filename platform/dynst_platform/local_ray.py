"""A Ray of our own on this machine, for as long as it is needed."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray

__all__ = ["local_ray"]


@contextmanager
def local_ray(dashboard: bool = False) -> Iterator[None]:
    """Workers find a user's own modules by the same ``PYTHONPATH`` as this process, whatever folder they run in."""
    if "PYTHONPATH" in os.environ:
        os.environ["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in os.environ["PYTHONPATH"].split(os.pathsep))
    ray.init(
        address="local",
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=256 * 2**20,
        include_dashboard=dashboard,
    )
    try:
        yield
    finally:
        ray.shutdown()
