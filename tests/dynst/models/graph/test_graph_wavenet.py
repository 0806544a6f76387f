from typing import Any

import pytest
import torch
from torch import Tensor

from dynst.errors import ConfigError
from dynst.models.graph.graph_wavenet import GraphWaveNet
from dynst.models.layers.dense_topology import DenseTopology
from dynst.models.protocol import Shape

K, F = 5, 2
FORWARD = torch.rand(K, K, generator=torch.Generator().manual_seed(1))
IDENTITY = torch.randn(K, 3, generator=torch.Generator().manual_seed(2))


def network(window: int, **options: Any) -> GraphWaveNet:
    torch.manual_seed(0)
    shape = Shape(window, horizon=1, num_sensors=K, num_channels=1, num_targets=1, hidden=8)
    return GraphWaveNet(
        shape, DenseTopology(FORWARD), DenseTopology(FORWARD.T), F, IDENTITY, **options
    )


def heard_by_step(window: int, **options: Any) -> Tensor:
    """How much each step of the window changes the last state, ``[T]``."""
    morphed = torch.randn(2, K, window * 2, requires_grad=True)
    network(window, **options)(
        morphed, torch.randn(2, F), torch.arange(K), None
    ).square().sum().backward()
    assert morphed.grad is not None
    return morphed.grad.unflatten(-1, (window, 2)).abs().amax((0, 1, 3))


@pytest.mark.parametrize(
    ("window", "layers"), [(1, 2), (12, 2), (13, 2), (14, 3), (24, 3), (48, 4)]
)
def test_there_are_as_many_layers_as_reach_the_first_step(window: int, layers: int) -> None:
    assert len(network(window).convolve) == 4 * layers
    assert (heard_by_step(window) > 0).all()


@pytest.mark.parametrize("options", [{"blocks": 1}, {"blocks": 6, "layers": 3}, {"hops": 1}])
def test_every_step_is_heard_whatever_the_options(options: dict[str, int]) -> None:
    assert (heard_by_step(12, **options) > 0).all()


def test_layers_that_do_not_reach_the_first_step_are_refused() -> None:
    with pytest.raises(
        ConfigError,
        match="layers must be at least 3 for 4 blocks to reach back over a window of 24 steps, "
        "but got 2",
    ):
        network(24, layers=2)


def test_a_layer_sums_powers_of_both_walks_and_of_the_adaptive_adjacency() -> None:
    backbone = network(12)
    layer = backbone.diffuse[0]
    before, convolved = torch.randn(4, K, 2, 8), torch.randn(3, K, 2, 8)
    walks = [FORWARD / FORWARD.sum(1, keepdim=True), FORWARD.T / FORWARD.sum(0)[:, None]]
    walks.append((backbone.query(IDENTITY) @ backbone.key(IDENTITY).T).softmax(-1))
    powers = [torch.eye(K)] + [power for walk in walks for power in (walk, walk @ walk)]
    expected = torch.einsum(
        "plk,tkbd,pde->tlbe", torch.stack(powers), convolved, layer.convolve.weight
    )
    expected = layer.norm(expected + layer.convolve.bias + before[1:])
    torch.testing.assert_close(
        layer(before, convolved, backbone.graphs(torch.arange(K), None)), expected
    )
