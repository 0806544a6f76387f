"""Random numbers that go on where they were, in main memory and on a device."""

import pytest
import torch

from dynst.devices import (
    CPU,
    computing_on,
    current_device,
    fits,
    random_state,
    set_random_state,
)
from dynst.distributed.world import current_world


def test_numbers_go_on_where_they_were() -> None:
    state = random_state(CPU)
    first = torch.rand(3)
    set_random_state(state, CPU)
    assert torch.equal(torch.rand(3), first)


def test_so_do_those_of_a_gpu_unless_the_state_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands for a GPU here is a generator of 16 bytes."""
    gpu, there, put = (
        torch.device("cuda", 1),
        torch.arange(16, dtype=torch.uint8),
        list[tuple[list[int], torch.device]](),
    )
    monkeypatch.setattr(
        torch.cuda, "get_rng_state", lambda device: there if device == gpu else None
    )
    monkeypatch.setattr(
        torch.cuda, "set_rng_state", lambda state, device: put.append((state.tolist(), device))
    )
    host, both = random_state(CPU), random_state(gpu)
    assert torch.equal(both[: len(host)], host)
    set_random_state(both, gpu)
    assert put == [(there.tolist(), gpu)]
    set_random_state(host, gpu)
    set_random_state(both, CPU)
    assert len(put) == 1


def test_a_series_stays_where_it_would_fill_the_share_of_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Half of what is free, or of what this process may take, whichever is less."""
    gpu = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (600, 1000))
    for share, most in ((1.0, 300), (0.25, 125)):
        monkeypatch.setattr(
            torch.cuda, "get_per_process_memory_fraction", lambda device, own=share: own
        )
        assert fits(gpu, most)
        assert not fits(gpu, most + 1)


def test_a_process_computes_on_what_the_block_says() -> None:
    assert current_device() == current_world().device == CPU
    with computing_on(torch.device("meta")):
        assert current_world().device == torch.device("meta")
        with computing_on(CPU):
            assert current_device() == CPU
        assert current_device() == torch.device("meta")
    assert current_device() == CPU
