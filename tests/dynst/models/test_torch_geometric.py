"""Layers that torch-geometric has too give what its own give, with the same weights.

Chebyshev's and MeshGraphNet's are tested with their networks.
"""

import warnings

import pytest
import torch
from torch import Tensor, nn

from dynst.models.graph.graph_wavenet import GraphWaveNet
from dynst.models.graph.patch_transformer import PatchTransformer, fourier_features
from dynst.models.layers.dense_topology import DenseTopology
from dynst.models.layers.sparse_topology import SparseTopology
from dynst.models.protocol import Shape, Topology

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch_geometric.nn import SimpleConv, TAGConv, TransformerConv
    from torch_geometric.utils import dense_to_sparse

B, T, K, D, F = 3, 4, 6, 8, 2
SHAPE = Shape(window=T, horizon=1, num_sensors=K, num_channels=1, num_targets=1, hidden=D)
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
NEIGHBOURS = torch.tensor([[1, 2], [3, -1], [0, 5], [2, 0], [-1, -1], [4, 3]])
PROXIMITY = torch.tensor(
    [[1.0, 0.5], [0.25, 0.0], [0.5, 0.75], [1.0, 0.125], [0.0, 0.0], [0.5, 0.5]]
)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def as_matrix() -> Tensor:
    """The lists as ``[location, sensor]``."""
    matrix = torch.zeros(K, K + 1)  # the last column is that of absent entries
    return matrix.scatter(1, NEIGHBOURS % (K + 1), PROXIMITY)[:, :K]


@pytest.mark.parametrize(
    "topology",
    [DenseTopology(as_matrix()), SparseTopology(NEIGHBOURS, PROXIMITY)],
    ids=["pairs", "lists"],
)
@pytest.mark.parametrize(
    "gates", [None, torch.tensor([1.0, 0, 1, 1, 0, 1])], ids=["compact", "gated"]
)
def test_the_known_graph_is_a_weighted_sum_over_the_edges_from_those_who_are_on(
    topology: Topology, gates: Tensor | None
) -> None:
    matrix = as_matrix() if gates is None else as_matrix() * gates
    walk = matrix / matrix.sum(1, keepdim=True).clamp(min=1e-12)
    values = torch.randn(B, K, D)
    heard = topology.sensor_to_sensor(torch.arange(K), gates).average()(values)
    expected = SimpleConv(aggr="sum", flow="target_to_source")
    torch.testing.assert_close(
        heard, torch.stack([expected(one, *dense_to_sparse(walk)) for one in values]), **CLOSE
    )


def test_a_diffusion_is_a_topology_adaptive_convolution_over_each_graph() -> None:
    """Those of Graph WaveNet: along the edges, against them, and over the learned graph.

    All of them share the tap of no hop.
    """
    matrix, node_embedding = as_matrix(), torch.randn(K, 3)
    backbone = GraphWaveNet(
        SHAPE, DenseTopology(matrix), DenseTopology(matrix.T), F, node_embedding
    )
    layer, states = backbone.diffuse[0], torch.randn(1, K, B, D)
    learned = (backbone.query(node_embedding) @ backbone.key(node_embedding).T).softmax(-1)
    walks = [
        weight / weight.sum(1, keepdim=True).clamp(min=1e-12) for weight in (matrix, matrix.T)
    ] + [learned]
    expected = layer.convolve.bias.expand(B, K, D)
    for number, walk in enumerate(walks):
        theirs = TAGConv(D, D, K=layer.hops, bias=False, normalize=False, flow="target_to_source")
        hops = layer.convolve.weight[1 + number * layer.hops :][: layer.hops]
        with torch.no_grad():
            theirs.lins[0].weight.copy_(
                layer.convolve.weight[0].T if number == 0 else torch.zeros(D, D)
            )
            for linear, weight in zip(theirs.lins[1:], hops, strict=True):
                linear.weight.copy_(weight.T)
        expected = expected + torch.stack(
            [theirs(one, *dense_to_sparse(walk)) for one in states[0].transpose(0, 1)]
        )
    ours = layer(torch.zeros_like(states), states, backbone.graphs(torch.arange(K), None))[
        0
    ].transpose(0, 1)
    torch.testing.assert_close(ours, layer.norm(expected), **CLOSE)


@pytest.mark.parametrize(
    "active", [torch.arange(K), torch.tensor([5, 0, 3])], ids=["dense", "sparse"]
)
@pytest.mark.parametrize("gated", [False, True], ids=["compact", "gated"])
def test_attention_is_that_of_a_graph_transformer_over_all_pairs_of_those_who_are_on(
    active: Tensor, gated: bool
) -> None:
    backbone = PatchTransformer(
        SHAPE,
        DenseTopology(torch.zeros(K, K)),
        F,
        torch.randn(K, 3),
        fourier_features(None, K),
        blocks=1,
        heads=2,
    )
    block, hidden = backbone.blocks[0], torch.randn(B, K, D)
    gates = torch.zeros(K).index_fill(0, active, 1.0)
    given = (torch.arange(K), gates) if gated else (active, None)
    ours = block(hidden if gated else hidden[:, active], backbone.topology.sensor_to_sensor(*given))
    everyone = torch.cartesian_prod(torch.arange(len(active)), torch.arange(len(active))).T
    attention = _graph_transformer(block)
    joined = torch.stack(
        [
            one + block.out_proj(attention(block.norms[0](one), everyone))
            for one in hidden[:, active]
        ]
    )
    torch.testing.assert_close(
        ours[:, active] if gated else ours, joined + block.ffn(block.norms[1](joined)), **CLOSE
    )


def _graph_transformer(block: nn.Module) -> TransformerConv:
    """With the block's queries, keys and values."""
    attention = TransformerConv(D, D // block.heads, heads=block.heads, root_weight=False)
    parts = zip(block.qkv.weight.chunk(3), block.qkv.bias.chunk(3), strict=True)
    with torch.no_grad():
        for linear, (weight, bias) in zip(
            (attention.lin_query, attention.lin_key, attention.lin_value), parts, strict=True
        ):
            linear.weight.copy_(weight)
            linear.bias.copy_(bias)
    return attention
