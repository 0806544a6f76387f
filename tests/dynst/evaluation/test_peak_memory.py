"""By hand: what lives at the same time counts, views and what was there before do not."""

import torch

from dynst.evaluation.peak_memory import peak_memory

KIB = 1024


def test_tensors_that_follow_one_another_are_not_added_up() -> None:
    given = torch.ones(256)  # 1 KiB

    def chain() -> None:
        value = given + 1
        for _ in range(5):
            value = value * 2

    assert peak_memory(chain) == 2 * KIB, "the old one and the new one"


def test_tensors_that_live_together_are() -> None:
    given = torch.ones(256)
    assert peak_memory(lambda: [given + step for step in range(4)]) == 4 * KIB


def test_views_and_what_was_there_are_free() -> None:
    given = torch.ones(256)
    assert peak_memory(lambda: given.view(16, 16).T[2:]) == 0
    assert peak_memory(lambda: (given + 1).view(16, 16)[3:].T) == KIB


def test_a_view_keeps_its_storage_alive() -> None:
    given = torch.ones(256)

    def call() -> None:
        view = (given + 1)[:4]
        other = given + 2
        del view, other

    assert peak_memory(call) == 2 * KIB
