"""A Ray node: only those processes that run tasks and actors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray._private.node import Node

__all__ = ["SYSTEM", "few_processes"]

# workers that are started before anything asks for one would wait in vain: Ray Train's have an
# environment of their own
SYSTEM = {"prestart_worker_first_driver": False}
UNUSED = ("start_monitor", "start_log_monitor", "start_api_server")


@contextmanager
def few_processes() -> Iterator[None]:
    """Inside, a node starts without Ray's autoscaler, dashboard and forwarding of logs.

    Nobody adds nodes to a Ray of our own, reads its pages or its workers' output; each of the three
    is a Python process that imports Ray while the workers do.
    """
    originals = {name: getattr(Node, name) for name in UNUSED}
    for name in UNUSED:
        setattr(Node, name, _nothing)
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(Node, name, original)


def _nothing(node: Node, **named: Any) -> None: ...
