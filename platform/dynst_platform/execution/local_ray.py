"""A Ray of our own on this machine, for as long as it is needed; or a cluster that runs already."""

import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import ray

from dynst.errors import in_one_line
from dynst_platform.errors import RunError
from dynst_platform.execution.ray_head import cpus_here
from dynst_platform.execution.ray_process import RayProcess, ray_of_our_own
from dynst_platform.log import quiet_libraries
from dynst_platform.stopping import is_stop, own_handlers

__all__ = ["check_cpus", "local_ray"]

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
        RunError: there is no cluster at ``address``, or no Ray can be started here.
    """
    quiet_libraries()
    with ray_of_our_own(dashboard) if address is None else nullcontext() as own:
        try:
            with own_handlers():
                if own is not None:
                    _attach_to(own)
                elif address is not None:
                    _attach(address)
            where = address or "this machine"
            logger.info("Ray %s at %s: %s", ray.__version__, where, _resources())
            yield
        finally:
            ray.shutdown()


def check_cpus(each: float) -> None:
    """That a Ray of our own has what each worker or task asks for.

    Raises:
        RunError: it has fewer.
    """
    if each > cpus_here():
        raise RunError(
            f"cluster.cpus_per_worker, in a sweep resources.cpu, must be at most {cpus_here()}, "
            f"as many CPUs as this process may use, but is {each:g}; lower it"
        )


def _attach_to(own: RayProcess) -> None:
    """A signal waits until this process is attached."""
    address = own.address()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGTERM})
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except Exception as error:  # Ray has no class of its own for this
        if is_stop(error):
            raise
        raise RunError(
            f"the Ray that was started on this machine does not answer ({in_one_line(error)}); see "
            f"to free memory, or do without it: cluster.num_workers=0"
        ) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _resources() -> str:
    found = ray.cluster_resources()
    return f"{found.get('CPU', 0):g} CPUs, {found.get('GPU', 0):g} GPUs"


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
