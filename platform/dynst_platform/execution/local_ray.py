"""A Ray of our own on this machine, for as long as it is needed; or a cluster that runs already."""

import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from dynst_platform.errors import RunError
from dynst_platform.log import quiet_libraries
from dynst_platform.stopping import own_handlers

__all__ = ["cpus_here", "local_ray"]

CONNECT_SECONDS = 5.0
logger = logging.getLogger(__name__)


@contextmanager
def local_ray(dashboard: bool = False, address: str | None = None) -> Iterator[None]:
    """``address`` is a cluster's host:port, or ``auto`` for the one on this machine.

    It goes on when the block has ended.

    A Ray of our own has as many CPUs as ``cpus_here``. Workers of it find a user's modules by the
    ``PYTHONPATH`` of this process, whatever folder they run in. Signals reach this process as they
    did before.

    Raises:
        RunError: there is no cluster at ``address``.
    """
    if "PYTHONPATH" in os.environ:
        os.environ["PYTHONPATH"] = os.pathsep.join(
            os.path.abspath(path) for path in os.environ["PYTHONPATH"].split(os.pathsep)
        )
    quiet_libraries()
    try:
        with own_handlers():
            if address is None:
                _start(dashboard)
            else:
                _attach(address)
        logger.info("Ray %s at %s: %s", ray.__version__, address or "this machine", _resources())
        yield
    finally:
        ray.shutdown()


def cpus_here() -> int:
    """As many as this process may use: what its affinity and the quota of its container leave it,
    and at least one.

    Ray itself overlooks the affinity, and takes half a CPU for none.
    """
    from joblib import cpu_count  # noqa: PLC0415 (a quarter of a second, which workers do not need)

    count: int = cpu_count()
    return count


def _resources() -> str:
    found = ray.cluster_resources()
    return f"{found.get('CPU', 0):g} CPUs, {found.get('GPU', 0):g} GPUs"


def _start(dashboard: bool) -> None:
    """A closed terminal ends this process, and this process its Ray: what it starts does not
    follow that signal itself.
    """
    own = {
        "num_cpus": cpus_here(),
        "object_store_memory": 256 * 2**20,
        "include_dashboard": dashboard,
    }
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        ray.init(address="local", log_to_driver=False, configure_logging=False, **own)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _attach(address: str) -> None:
    try:
        if address != "auto":  # Ray itself would retry for minutes
            host, _, port = address.removeprefix("ray://").rpartition(":")
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (OSError, ValueError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RunError(
            f"cluster.address must name a Ray cluster that runs, but {address} cannot be reached "
            f"({reason}); start it, or leave the setting out for a Ray of our own"
        ) from error
