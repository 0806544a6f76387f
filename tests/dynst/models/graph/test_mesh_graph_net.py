"""Messages by pairs: against a loop written by hand, against torch-geometric, and what they depend
on.
"""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from dynst.evaluation.peak_memory import peak_memory
from dynst.models.graph.mesh_graph_net import MeshGraphNet
from dynst.models.layers.dense_topology import DenseTopology
from dynst.models.layers.sparse_topology import SparseTopology
from dynst.models.protocol import Shape, Topology

B, T, S, F, E, D = 2, 3, 4, 3, 4, 8
SHAPE = Shape(window=T, horizon=2, num_sensors=S, num_channels=1, num_targets=1, hidden=D)
NEIGHBOURS = torch.tensor([[1, 2], [3, -1], [0, 1], [2, 0]])
PROXIMITY = torch.tensor([[1.0, 0.5], [0.25, 0.0], [0.5, 0.75], [1.0, 0.125]])
DENSE = torch.tensor([[0, 1.0, 0.5, 0], [0, 0, 0, 0.25], [0.5, 0.75, 0, 0], [0.125, 0, 1.0, 0]])
POSITIONS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])


def network(
    topology: Topology | None = None, positions: Tensor | None = POSITIONS, steps: int = 2
) -> MeshGraphNet:
    torch.manual_seed(0)
    topology = SparseTopology(NEIGHBOURS, PROXIMITY) if topology is None else topology
    return MeshGraphNet(
        SHAPE, topology, F, torch.randn(S, E), positions, steps=steps, edge_hidden=E
    )


def inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(B, S, T * 2, generator=generator), torch.randn(B, F, generator=generator)


def test_both_geometries_give_the_same_pairs() -> None:
    sensors, gates, values = (
        torch.tensor([3, 0, 2]),
        torch.tensor([1.0, 0.0, 1.0]),
        torch.randn(3, 5),
    )
    for given in (None, gates):
        neighborhood = [
            topology.sensor_to_sensor(sensors, given)
            for topology in (SparseTopology(NEIGHBOURS, PROXIMITY), DenseTopology(DENSE))
        ]
        heard = [
            (pairs.weight[..., None] * values[pairs.index]).sum(1)
            for pairs in (link.neighbours() for link in neighborhood)
        ]
        torch.testing.assert_close(heard[0], heard[1])
        torch.testing.assert_close(heard[0], neighborhood[0].average()(values[None])[0])


def encoded(backbone: MeshGraphNet, morphed: Tensor, calendar: Tensor) -> Tensor:
    node_embedding = backbone.encode_embedding(backbone.node_embedding)
    return backbone.encode_node(
        backbone.encode(morphed) + node_embedding + backbone.encode_calendar(calendar)[:, None]
    )


def test_four_nodes_by_hand() -> None:
    """One node, one neighbour, one step at a time."""
    backbone, (morphed, calendar) = network(), inputs()
    node, where = encoded(backbone, morphed, calendar), backbone.positions
    edge = {}
    for here, there in DENSE.nonzero().tolist():
        apart = where[there] - where[here]
        features = torch.cat([apart, apart.norm()[None], DENSE[here, there, None]])
        edge[here, there] = backbone.encode_edge(features).expand(B, E)
    for step in backbone.steps:
        for here, there in edge:
            asked = (
                step.of_edge(edge[here, there])
                + step.of_receiver(node[:, here])
                + step.of_sender(node[:, there])
            )
            edge[here, there] = edge[here, there] + step.edge(asked)
        heard = [
            sum(
                DENSE[here, j] / DENSE[here].sum() * edge[here, j]
                for j in range(S)
                if DENSE[here, j]
            )
            for here in range(S)
        ]
        node = torch.stack(
            [
                node[:, here] + step.node(torch.cat([node[:, here], heard[here]], -1))
                for here in range(S)
            ],
            1,
        )
    torch.testing.assert_close(backbone(morphed, calendar, torch.arange(S), None), node)


def _in_torch_geometric(step: nn.Module) -> nn.Module:
    """The same round of messages as one writes it there: edge (j → i), node i receives."""
    from torch_geometric.nn import MessagePassing

    class Round(MessagePassing):
        def forward(
            self, node: Tensor, index: Tensor, edge: Tensor, weight: Tensor
        ) -> tuple[Tensor, Tensor]:
            edge = self.edge_updater(index, node=node, edge=edge)
            heard = self.propagate(index, edge=edge, weight=weight)
            return node + step.node(torch.cat([node, heard], -1)), edge

        def edge_update(self, node_i: Tensor, node_j: Tensor, edge: Tensor) -> Tensor:
            return edge + step.edge(
                step.of_edge(edge) + step.of_receiver(node_i) + step.of_sender(node_j)
            )

        def message(self, edge: Tensor, weight: Tensor) -> Tensor:
            return weight[:, None] * edge

    return Round(aggr="sum")


@pytest.mark.filterwarnings(
    "ignore:.*is deprecated:DeprecationWarning"
)  # torch.jit, which torch-geometric uses as it is imported
def test_equals_the_layer_written_for_torch_geometric() -> None:
    backbone, (morphed, calendar) = network(), inputs()
    listener, speaker = DENSE.nonzero().T
    weight = (DENSE / DENSE.sum(1, keepdim=True))[listener, speaker]
    apart = backbone.positions[speaker] - backbone.positions[listener]
    features = torch.cat(
        [apart, apart.norm(dim=-1, keepdim=True), DENSE[listener, speaker, None]], -1
    )
    ours = backbone(morphed, calendar, torch.arange(S), None)
    for window in range(B):
        node, edge = encoded(backbone, morphed, calendar)[window], backbone.encode_edge(features)
        for step in backbone.steps:
            node, edge = _in_torch_geometric(step)(
                node, torch.stack([speaker, listener]), edge, weight
            )
        torch.testing.assert_close(ours[window], node)


def test_where_a_neighbour_stands_matters_and_where_all_stand_does_not() -> None:
    morphed, calendar = inputs()
    elsewhere = POSITIONS.clone()
    elsewhere[2] = -elsewhere[
        2
    ]  # sends to 0 and 3, receives from 0 and 1; all offsets to it change

    def states(positions: Tensor | None) -> Tensor:
        return network(positions=positions, steps=1)(morphed, calendar, torch.arange(S), None)

    stands = states(POSITIONS)
    torch.testing.assert_close(states(1000 * POSITIONS + 50), stands, rtol=1e-4, atol=1e-4)
    assert ((states(elsewhere) - stands).abs().amax((0, 2)) > 1e-3).tolist()[0::2] == [True, True]
    assert states(None).isfinite().all()


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_message_travels_one_hop_a_step(steps: int) -> None:
    """On a line, 0 → 1 → 2 → 3."""
    line = SparseTopology(torch.tensor([[-1], [0], [1], [2]]), torch.tensor([[0.0], [1], [1], [1]]))
    backbone, (morphed, calendar) = network(line, steps=steps), inputs()
    other = morphed.clone()
    other[:, 0] += 1.0
    change = (
        (
            backbone(other, calendar, torch.arange(S), None)
            - backbone(morphed, calendar, torch.arange(S), None)
        )
        .abs()
        .amax((0, 2))
    )
    assert (change > 0).tolist() == [hops <= steps for hops in range(S)]


def test_memory_grows_with_the_network_and_not_with_its_square() -> None:
    def peak(num_sensors: int) -> int:
        shape = replace(SHAPE, num_sensors=num_sensors)
        ring = (torch.arange(num_sensors)[:, None] + torch.tensor([1, 2, 3])) % num_sensors
        topology, node_embedding = (
            SparseTopology(ring, torch.ones(ring.shape)),
            torch.randn(num_sensors, E),
        )
        backbone = MeshGraphNet(
            shape, topology, F, node_embedding, torch.rand(num_sensors, 2), steps=2, edge_hidden=E
        )
        morphed, gates = (
            torch.randn(B, num_sensors, T * 2),
            torch.ones(num_sensors, requires_grad=True),
        )
        return peak_memory(
            lambda: (
                backbone(morphed, torch.zeros(B, F), torch.arange(num_sensors), gates)
                .sum()
                .backward()
            )
        )

    assert peak(2000) < 2.1 * peak(1000)
    assert peak(2000) < 2000 * 2000 * 4
