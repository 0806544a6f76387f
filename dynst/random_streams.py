"""Where random numbers come from: one stream for each purpose, all from the experiment's seed.

Two purposes never draw the same numbers, and neither do two seeds: a stream's seed is a hash of all
that names it (``numpy.random.SeedSequence``).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from threading import RLock

import numpy as np
import torch

__all__ = ["STREAMS", "Stream", "generator", "seeded", "stream_seed"]

STREAMS = 2  # version of the rules below; checkpoints name it. 1 drew all from seed * prime + step
MOST = 2**64  # seeds and numbers; negative ones are the large ones
_GLOBAL = RLock()  # torch draws for all threads from one state


class Stream(IntEnum):
    """What random numbers are for; the numbers must never change."""

    WEIGHTS = 1  # a model's first weights
    EPOCH_ORDER = 2  # of windows; by epoch
    SENSOR_DROPOUT = 3  # the subset of a training step; by step
    PROBE_CANDIDATES = 4  # sensors that a probe measures where not all of them are; by step
    SUBGRAPH_ORDER = 5  # of a cut network; by kind of step and lap
    RANKING = 6  # a baseline's scores; by number of the draw
    REDRAWN_RANKING = 7  # of the criterion random; by update
    EXCHANGES = 8  # proposals of the search; by phase
    HALVES = 9  # of the blocks of time that a search is run on again; by number of the run
    LEFT_OUT = 10  # active sensors that are not read together, to see what the others say of them


def stream_seed(seed: int, stream: Stream, *numbers: int) -> int:
    """The seed of one stream of the experiment with ``seed``, below 2^63.

    Args:
        seed: any integer.
        numbers: what identifies a part of the stream, such as the epoch.
    """
    sequence = np.random.SeedSequence(
        int(seed) % MOST, spawn_key=(int(stream), *(int(number) % MOST for number in numbers))
    )
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)


def generator(seed: int, stream: Stream, *numbers: int) -> torch.Generator:
    """A fresh generator in main memory at the beginning of the stream; see ``stream_seed``."""
    return torch.Generator().manual_seed(stream_seed(seed, stream, *numbers))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, whatever takes no generator of its own draws by ``seed``, in one thread at a time;
    afterwards torch's random state is as it was.
    """
    with _GLOBAL, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
