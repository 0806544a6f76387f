import math

import pytest
import torch

from dynst.models.layers.gated_aggregation import (
    gated_attention,
    gated_average,
    stream_morph,
    widened,
)

L, K = 4, 6


def test_stream_morph_by_hand() -> None:
    readings = torch.arange(12.0).view(1, 3, 2, 2)  # [B=1, T=3, K=2, C=2]
    observed = torch.ones_like(readings, dtype=torch.bool)
    observed[0, 2, 1, 0] = False
    morphed = stream_morph(readings, observed)
    assert morphed.shape == (1, 2, 12)
    assert morphed[0, 1].tolist() == [
        2,
        3,
        1,
        1,
        6,
        7,
        1,
        1,
        10,
        11,
        0,
        1,
    ]  # sensor 1: two values, two flags, three times


def test_rows_sum_to_one_or_are_empty() -> None:
    weight = torch.tensor([[1.0, 3.0, 0.0], [0.0, 2.0, 0.0]])
    assert gated_average(weight, None).tolist() == [[0.25, 0.75, 0], [0, 1, 0]]
    assert gated_average(weight, torch.tensor([1.0, 0.0, 1.0])).tolist() == [[1, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("size", [1e-3, 1e-13, 1e-25, 1e-40])
def test_faint_weights_have_finite_gradients(size: float) -> None:
    """A kernel of the distance fades without limit.

    Its square must not become 0 in a derivative.
    """
    weight = (torch.rand(L, K, generator=torch.Generator().manual_seed(0)) * size).requires_grad_()
    gates = torch.tensor([1.0, 0, 1, 0, 1, 0], requires_grad=True)
    gated_average(weight, gates).square().sum().backward()
    assert weight.grad is not None
    assert gates.grad is not None
    assert weight.grad.isfinite().all()
    assert gates.grad.isfinite().all()


@pytest.mark.parametrize("offset", [0.0, 80.0, -80.0, 500.0])
def test_attention_is_the_softmax_of_those_who_are_on_however_loud_the_others_are(
    offset: float,
) -> None:
    scores = torch.randn(L, K, generator=torch.Generator().manual_seed(0))
    gates = torch.tensor([1.0, 1, 0, 1, 0, 0])
    loud = scores + offset * (1 - gates)
    mixed = gated_attention(loud, gates.clone().requires_grad_())
    torch.testing.assert_close(mixed[:, [0, 1, 3]], scores[:, [0, 1, 3]].softmax(-1))
    assert mixed[:, [2, 4, 5]].abs().max() == 0


@pytest.mark.parametrize("seed", range(5))
def test_the_gradient_of_a_gate_is_the_effect_of_the_switch(seed: int) -> None:
    """Both ways, exactly, for one aggregation."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.rand(L, K, generator=generator) + 0.2
    message = torch.randn(K, 3, generator=generator)
    gates = torch.tensor([1.0, 1, 0, 1, 0, 1], requires_grad=True)
    out = gated_average(weight, gates) @ message
    for sensor in range(K):
        switched = gates.detach().clone()
        switched[sensor] = 1 - switched[sensor]
        change = gated_average(weight, switched) @ message - out
        direction = 1.0 if gates[sensor] == 0 else -1.0
        for row in range(L):
            for column in range(3):
                slope = torch.autograd.grad(out[row, column], gates, retain_graph=True)[0][sensor]
                assert direction * slope.item() == pytest.approx(
                    change[row, column].item(), abs=1e-5
                )


@pytest.mark.parametrize("shift", [-300.0, 300.0])
def test_attention_does_not_depend_on_what_all_scores_share(shift: float) -> None:
    """By hand: two scores that differ by ln 3 weigh 1 : 3, wherever they lie."""
    scores = torch.tensor([[0.0, math.log(3)]], dtype=torch.float64) + shift
    assert gated_attention(scores, None).tolist() == [pytest.approx([0.25, 0.75])]


def test_only_half_floats_are_widened() -> None:
    kinds = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    assert [widened(torch.zeros(2, dtype=kind)).dtype for kind in kinds] == [torch.float32] * 3 + [
        torch.float64
    ]
