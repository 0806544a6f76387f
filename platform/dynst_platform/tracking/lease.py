"""Who works on a run that several machines reach: an object in its copy that the owner renews,
since a lock of files ends at the machine.
"""

import json
import logging
import os
import socket
import time
from _thread import interrupt_main
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from threading import Event, Thread

from dynst_platform.errors import BusyError, StorageError
from dynst_platform.tracking.shared_folder import SharedFolder

__all__ = ["leased"]

LEASE = ".lease"
EXPIRES, RENEWED, LOOK, SETTLES = 30.0, 5.0, 1.0, 1.0  # seconds
logger = logging.getLogger(__name__)


@contextmanager
def leased(shared: SharedFolder) -> Iterator[None]:
    """Keep processes of all machines out of a folder's copy; where there is none, do nothing.

    Whoever finds a lease watches it. One that is not renewed for half a minute is of a process that
    died, and is taken over; so no clocks are compared.

    Raises:
        BusyError: another process renews it.
        StorageError: the copy cannot be read or written.
    """
    if shared.address is None:
        yield
        return
    _await_end(shared)
    lease = _Lease(shared)
    lease.renew()
    time.sleep(SETTLES)
    if not lease.held():  # two at once: the last to write has it
        raise _busy(shared, shared.read(lease.path))
    lease.start()
    try:
        yield
    finally:
        lease.end()


def _await_end(shared: SharedFolder) -> None:
    path = shared.folder / LEASE
    first, began = shared.read(path), time.monotonic()
    while first is not None and time.monotonic() - began < EXPIRES:
        time.sleep(LOOK)
        found = shared.read(path)
        if found is None:
            return
        if found != first:
            raise _busy(shared, found)


def _busy(shared: SharedFolder, found: bytes | None) -> BusyError:
    who = "another process"
    with suppress(ValueError, KeyError, TypeError):
        who = str(json.loads(found or b"")["who"])
    return BusyError(
        f"{shared.address} belongs to {who}, which still works in it; wait for its end"
    )


class _Lease(Thread):
    def __init__(self, shared: SharedFolder) -> None:
        super().__init__(name="lease", daemon=True)
        self.path: Path = shared.folder / LEASE
        self._shared, self._owner, self._beats = shared, token_hex(8), 0
        self._done = Event()

    def run(self) -> None:
        while not self._done.wait(RENEWED):
            try:
                if not self.held():
                    logger.error(
                        "another process took over %s; this one ends", self._shared.address
                    )
                    interrupt_main()
                    return
                self.renew()
            except StorageError as error:
                logger.warning("the lease was not renewed: %s", error)

    def renew(self) -> None:
        self._beats += 1
        who = f"process {os.getpid()} on {socket.gethostname()}"
        document = {"owner": self._owner, "who": who, "renewed": self._beats}
        self._shared.put_text(self.path, json.dumps(document))

    def held(self) -> bool:
        found = self._shared.read(self.path)
        return found is not None and self._owner.encode() in found

    def end(self) -> None:
        """Whatever the block raised is more important than a lease that stays."""
        self._done.set()
        self.join()
        with suppress(StorageError):
            if self.held():
                self._shared.remove(self.path)
