"""Over short lists, no tensor of a training step may grow faster than the network."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dynst.models.graph.agcrn import AGCRN
from dynst.models.graph.graph_wavenet import GraphWaveNet
from dynst.models.graph.stgcn import STGCN
from dynst.models.layers.sparse_topology import SparseTopology
from dynst.models.protocol import CompactBackbone, Shape
from tests.dynst.models.layers.test_sparse_topology import Largest

T, F, N = 4, 2, 5
MAKE: dict[str, Callable[[Shape, SparseTopology, Tensor], CompactBackbone]] = {
    "stgcn": lambda shape, lists, _: STGCN(shape, lists, F),
    "graph_wavenet": lambda shape, lists, node_embedding: GraphWaveNet(
        shape, lists, lists, F, node_embedding
    ),
    "agcrn": lambda shape, lists, node_embedding: AGCRN(shape, lists, F, node_embedding, pool=2),
}


@pytest.mark.parametrize("probe", [False, True])
@pytest.mark.parametrize("name", sorted(MAKE))
def test_no_tensor_of_a_training_step_grows_faster_than_the_network(name: str, probe: bool) -> None:
    largest = []
    for num_sensors in (1000, 2000):
        lists = SparseTopology(
            torch.randint(num_sensors, (num_sensors, N)), torch.rand(num_sensors, N)
        )
        shape = Shape(
            T, horizon=1, num_sensors=num_sensors, num_channels=1, num_targets=1, hidden=4
        )
        backbone = MAKE[name](shape, lists, torch.randn(num_sensors, 3))
        gates = (torch.arange(num_sensors) % 2 == 0).float().requires_grad_() if probe else None
        morphed = torch.randn(1, num_sensors, 2 * T)
        with Largest() as watch:
            backbone(
                morphed, torch.randn(1, F), torch.arange(num_sensors), gates
            ).square().mean().backward()
        largest.append(watch.numbers)
    assert largest[1] <= 2.1 * largest[0]
    assert largest[1] < 2000 * 2000 / 8
