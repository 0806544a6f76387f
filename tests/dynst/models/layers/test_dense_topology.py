"""Attention whose scores depend on the readings: the same numbers, without the memory of all
windows' scores.
"""

import pytest
import torch
from torch import Tensor

from dynst.evaluation.peak_memory import peak_memory
from dynst.models.layers import dense_topology as all_pairs
from dynst.models.layers.dense_topology import DenseTopology

B, HEADS, S, E, D = 5, 2, 12, 3, 4
GATES = (torch.arange(S) % 3 > 0).float()


def parts(batch: int, sensors: int, value_size: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(batch, HEADS, sensors, size, generator=generator, requires_grad=True)
        for size in (E, E, value_size)
    ]


@pytest.mark.parametrize("value_size", [E, D])
@pytest.mark.parametrize("piece", [1, 3 * HEADS * S * S, 2**20])
@pytest.mark.parametrize("gates", [None, GATES], ids=["compact", "gated"])
def test_pieces_are_the_whole_in_value_and_gradient(
    gates: Tensor | None, piece: int, value_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(all_pairs, "PIECE", piece)
    found = []
    for proximity_weight in (None, torch.zeros(HEADS, 1, 1)):  # any nearness takes the plain way
        given = None if gates is None else gates.clone().requires_grad_()
        query, key, values = inputs = parts(B, S, value_size)
        out = (
            DenseTopology(torch.zeros(S, S))
            .sensor_to_sensor(torch.arange(S), given)
            .attend(query, key, proximity_weight)(values)
        )
        wanted = inputs if given is None else [*inputs, given]
        found.append([out, *torch.autograd.grad(out.square().sum(), wanted)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("value_size", [E, D])
@pytest.mark.parametrize("probe", [False, True])
def test_the_scores_of_all_windows_are_never_in_memory_together(
    probe: bool, value_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, sensors = 60, 50
    monkeypatch.setattr(all_pairs, "PIECE", HEADS * sensors**2)
    gates = torch.ones(sensors, requires_grad=True) if probe else None
    neighborhood = DenseTopology(torch.zeros(sensors, sensors)).sensor_to_sensor(
        torch.arange(sensors), gates
    )
    query, key, values = parts(batch, sensors, value_size)
    peak = peak_memory(lambda: neighborhood.attend(query, key)(values).sum().backward())
    assert peak < batch * HEADS * sensors**2 * 4 / 2
