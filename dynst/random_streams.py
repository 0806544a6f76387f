"""Where random numbers come from."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import torch

__all__ = ["seeded"]

_GLOBAL = RLock()  # torch draws for all threads from one state


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, whatever takes no generator of its own draws by ``seed``, in one thread at a time;
    afterwards torch's random state is as it was.
    """
    with _GLOBAL, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
