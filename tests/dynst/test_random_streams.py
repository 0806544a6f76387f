"""Random streams: the same for the same name, apart for any other."""

import random
from itertools import product
from threading import Thread

import numpy as np
import pytest
import torch

from dynst.random_streams import Stream, generator, seeded, stream_seed


def test_no_two_streams_seeds_or_numbers_share_a_seed() -> None:
    """Small seeds, steps and epochs met in the old formulas: seed * prime + step."""
    names = product(range(-3, 20), Stream, range(-1, 60))
    seeds = [stream_seed(seed, stream, number) for seed, stream, number in names]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_streams_seed_is_numpys_and_never_changes() -> None:
    """Checkpoints rely on it; another value is another version of ``STREAMS``."""
    sequence = np.random.SeedSequence(7, spawn_key=(Stream.EPOCH_ORDER, 3))
    assert (
        stream_seed(7, Stream.EPOCH_ORDER, 3) == int(sequence.generate_state(1, np.uint64)[0]) // 2
    )
    assert stream_seed(0, Stream.WEIGHTS) == 2440950710608614359


def test_a_generator_starts_at_the_beginning_of_its_stream() -> None:
    first, again = (torch.rand(5, generator=generator(1, Stream.RANKING, 2)) for _ in range(2))
    other = torch.rand(5, generator=generator(1, Stream.RANKING, 3))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_neighbouring_seeds_and_steps_do_not_correlate() -> None:
    rows = [
        torch.rand(400, generator=generator(seed, Stream.SENSOR_DROPOUT, step))
        for seed in range(6)
        for step in range(6)
    ]
    between = torch.corrcoef(torch.stack(rows)).fill_diagonal_(0)
    assert between.abs().max() < 0.25  # 5 standard deviations of 1 / √400


@pytest.mark.parametrize("threads", [1, 4])
def test_what_is_seeded_leaves_the_global_state_as_it_was(threads: int) -> None:
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    drawn: dict[int, torch.Tensor] = {}

    def draw(number: int) -> None:
        with seeded(number):
            drawn[number] = torch.rand(1000)

    workers = [Thread(target=draw, args=(number,)) for number in range(threads)]
    random.shuffle(workers)
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert torch.equal(torch.rand(3), expected)
    for number, values in drawn.items():
        assert torch.equal(
            values, torch.rand(1000, generator=torch.Generator().manual_seed(number))
        )
