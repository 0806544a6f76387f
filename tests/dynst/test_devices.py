"""Random numbers that go on where they were, in main memory and on a device."""

import pytest
import torch

from dynst.devices import CPU, random_state, set_random_state


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
