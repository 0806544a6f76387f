import torch
from torch import Tensor

from dynst.models.graph.agcrn import AGCRN
from dynst.models.layers.dense_topology import DenseTopology
from dynst.models.protocol import Shape

K, T, F, D = 5, 6, 2, 8
SHAPE = Shape(T, horizon=1, num_sensors=K, num_channels=1, num_targets=1, hidden=D)
IDENTITY = torch.nn.functional.normalize(
    torch.randn(K, 12, generator=torch.Generator().manual_seed(2)), dim=-1
)


def network(node_embedding: Tensor = IDENTITY) -> AGCRN:
    torch.manual_seed(0)
    return AGCRN(SHAPE, DenseTopology(torch.rand(K, K)), F, node_embedding)


def test_every_step_of_the_window_is_heard() -> None:
    morphed = torch.randn(2, K, T * 2, requires_grad=True)
    network()(morphed, torch.randn(2, F), torch.arange(K), None).square().sum().backward()
    assert morphed.grad is not None
    assert (morphed.grad.unflatten(-1, (T, 2)).abs().amax((0, 1, 3)) > 0).all()


def test_sensors_with_the_same_past_differ_by_their_own_parameters_alone() -> None:
    morphed, calendar, sensors = (
        torch.randn(2, 1, T * 2).expand(-1, K, -1),
        torch.randn(2, F),
        torch.arange(K),
    )
    apart = network()(morphed, calendar, sensors, None)
    assert (apart[:, 0] - apart[:, 1]).abs().max() > 1e-2
    alike = network(IDENTITY[:1].expand(K, -1))(morphed, calendar, sensors, None)
    torch.testing.assert_close(alike[:, 0], alike[:, 1])


def test_half_of_the_weights_are_common_at_first_and_none_is_too_large() -> None:
    backbone = AGCRN(
        Shape(T, 1, K, 1, 1, hidden=64), DenseTopology(torch.rand(K, K)), F, IDENTITY, pool=200
    )
    # [K, 128 · 192]
    weight = backbone.layers[0].of_inputs(backbone.pool_weights(IDENTITY)).flatten(1)
    assert (weight.std(1) * 128**0.5 - 1).abs().max() < 0.2
    between = torch.corrcoef(weight)[~torch.eye(K, dtype=torch.bool)]
    expected = (1 + IDENTITY @ IDENTITY.T)[~torch.eye(K, dtype=torch.bool)] / 2
    assert (between - expected).abs().max() < 0.25


def test_a_layer_is_the_recurrence_of_the_paper() -> None:
    backbone = network()
    layer, share = backbone.layers[0], backbone.pool_weights(IDENTITY)
    learned = (backbone.query(IDENTITY) @ backbone.key(IDENTITY).T).softmax(-1)
    inputs = torch.randn(K, T, 3, D)
    weight, bias = layer.of_inputs(share), share @ layer.bias

    def convolved(values: Tensor, weight: Tensor) -> Tensor:
        """``[K, B, D]`` by each sensor's own ``[K, 2D, outputs]``, over the identity and the
        learned graph.
        """
        supports = torch.stack([values, torch.einsum("lk,kbd->lbd", learned, values)])
        return torch.einsum("skbd,skde->kbe", supports, weight.unflatten(1, (2, D)).transpose(0, 1))

    state = torch.zeros(K, 3, D)
    for step in range(T):
        told = convolved(inputs[:, step], weight) + bias[:, None]
        reset, update = (
            (told[..., : 2 * D] + convolved(state, layer.of_state(share)))
            .sigmoid()
            .split(D, dim=-1)
        )
        content = (told[..., 2 * D :] + convolved(reset * state, layer.of_candidate(share))).tanh()
        state = update * state + (1 - update) * content
    neighborhood = backbone.topology.sensor_to_sensor(torch.arange(K), None)
    given = neighborhood.attend(backbone.query(IDENTITY)[None], backbone.key(IDENTITY)[None])
    torch.testing.assert_close(layer(inputs, share, given)[:, -1], state)
