import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from dynst.errors import ConfigError
from dynst.models.graph.staeformer import Staeformer
from dynst.models.layers.dense_topology import DenseTopology
from dynst.models.protocol import Shape

F, S = 3, 7


def network(window: int, blocks: int = 1, heads: int = 4) -> Staeformer:
    torch.manual_seed(0)
    shape = Shape(window=window, horizon=3, num_sensors=S, num_channels=1, num_targets=1, hidden=8)
    return Staeformer(
        shape, DenseTopology(torch.zeros(S, S)), F, torch.randn(S, 4), blocks=blocks, heads=heads
    )


def test_is_plain_self_attention_over_each_window_then_over_the_sensors_at_each_step() -> None:
    """Where nobody is off: the same layers over the same states, without geometry, gates or memory
    tricks.
    """
    backbone, morphed, calendar = (
        network(window=3, blocks=2),
        torch.randn(2, S, 6),
        torch.randn(2, F),
    )
    embedded = (
        backbone.encode_adaptive(backbone.adaptive).transpose(0, 1)
        + backbone.encode_calendar(calendar)[:, None, None]
    )
    states = backbone.encode(morphed.view(2, S, 3, 2)) + embedded  # [B, S, T, D]
    for layer in backbone.over_time:
        states = torch.stack([layer(one, scaled_dot_product_attention) for one in states])
    for layer in backbone.over_sensors:
        states = torch.stack(
            [
                layer(one.transpose(0, 1), scaled_dot_product_attention).transpose(0, 1)
                for one in states
            ]
        )
    out = backbone(morphed, calendar, torch.arange(S), None)
    torch.testing.assert_close(out, backbone.collapse(states.flatten(2)), rtol=1e-4, atol=1e-5)


def test_a_sensor_is_heard_elsewhere_at_every_step_of_the_window() -> None:
    backbone, morphed = network(window=3), torch.randn(1, S, 6, requires_grad=True)
    backbone(morphed, torch.zeros(1, F), torch.arange(S), None)[0, 0].sum().backward()
    assert morphed.grad is not None
    assert (morphed.grad.view(S, 3, 2).abs().amax(2) > 0).all()


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be a multiple of staeformer's 3 heads, but got 8"):
        network(window=3, heads=3)
