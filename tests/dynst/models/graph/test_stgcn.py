import warnings

import pytest
import torch

from dynst.models.graph.stgcn import STGCN, chebyshev
from dynst.models.layers.dense_topology import DenseTopology
from dynst.models.layers.temporal import Taps
from dynst.models.protocol import Shape

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch_geometric.nn import ChebConv
    from torch_geometric.utils import dense_to_sparse

K, D = 6, 4


def test_the_graph_convolution_is_the_chebyshev_one_of_the_random_walk_laplacian() -> None:
    """With a largest eigenvalue of 2 the scaled Laplacian is the walk with its sign turned, and so
    are the odd polynomials.
    """
    weight = torch.rand(K, K, generator=torch.Generator().manual_seed(0)).fill_diagonal_(0)
    order, states = 4, torch.randn(3, K, 2, D)
    ours = Taps(order, D, 5)
    theirs = ChebConv(D, 5, order, normalization="rw", flow="target_to_source", node_dim=1)
    with torch.no_grad():
        theirs.bias.copy_(ours.bias)
        for power, linear in enumerate(theirs.lins):
            linear.weight.copy_((-1) ** power * ours.weight[power].T)
    known = DenseTopology(weight).sensor_to_sensor(torch.arange(K), None).average()
    expected = theirs(
        states.transpose(1, 2).flatten(0, 1), *dense_to_sparse(weight), lambda_max=torch.tensor(2.0)
    )
    torch.testing.assert_close(
        ours(chebyshev(known, states, order)).transpose(1, 2).flatten(0, 1),
        expected,
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("window", "kernel", "blocks"),
    [(1, 3, 2), (5, 3, 2), (9, 3, 2), (12, 3, 2), (30, 3, 2), (12, 1, 1), (12, 4, 3)],
)
def test_every_step_of_any_window_is_heard(window: int, kernel: int, blocks: int) -> None:
    torch.manual_seed(0)
    shape = Shape(window, horizon=1, num_sensors=K, num_channels=1, num_targets=1, hidden=16)
    backbone = STGCN(shape, DenseTopology(torch.rand(K, K)), 2, kernel=kernel, blocks=blocks)
    morphed = torch.randn(2, K, window * 2, requires_grad=True)
    hidden = backbone(morphed, torch.randn(2, 2), torch.arange(K), None)
    (hidden * torch.randn_like(hidden)).sum().backward()
    assert morphed.grad is not None
    assert (morphed.grad.unflatten(-1, (window, 2)).abs().amax((0, 1, 3)) > 0).all()
