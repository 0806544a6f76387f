"""MeshGraphNet: a message for each pair of a receiver and a sender.

It is computed from both states and from their relative position.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from dynst.models.protocol import Pairs, Shape, Topology, Traits
from dynst.models.renamed import read_old_names

__all__ = ["MeshGraphNet"]

EDGE_FEATURES = 4  # relative position, its length, proximity


class MeshGraphNet(nn.Module):
    """Encode, process, decode (Pfaff et al. 2021), where the readout decodes.

    An edge keeps a state from step to step, as published, but a narrow one, and neighbours are
    short lists: memory grows as sensors times neighbours times ``edge_hidden``. A receiver takes
    the mean of its messages, weighted by gates and proximity, instead of their sum. The size of
    what it receives then does not depend on how many of its neighbours are active.
    """

    traits = Traits(compact=True, max_all_pairs=0)

    def __init__(
        self,
        shape: Shape,
        topology: Topology,
        num_calendar: int,
        node_embedding: Tensor,
        positions: Tensor | None,
        *,
        steps: Annotated[int, Field(ge=1)] = 3,
        edge_hidden: Annotated[int, Field(ge=1)] = 16,
    ) -> None:
        """``node_embedding [S, E]`` is what the embeddings begin as.

        Without ``positions [S, 2]`` an edge knows its proximity alone.
        """
        super().__init__()
        hidden = shape.hidden
        self.topology = topology
        scaled = _in_edge_lengths(positions, topology, shape.num_sensors)
        self.register_buffer("positions", scaled)  # saved: a loaded model does not know the store
        self.node_embedding = nn.Parameter(node_embedding.clone())
        self.encode = nn.Linear(shape.window * 2 * shape.num_channels, hidden)
        self.encode_embedding = nn.Linear(node_embedding.shape[1], hidden, bias=False)
        read_old_names(self, {"identity": "node_embedding", "encode_identity": "encode_embedding"})
        self.encode_calendar = nn.Linear(num_calendar, hidden, bias=False)
        self.encode_node = _rest_of_mlp(hidden)
        self.encode_edge = nn.Sequential(
            nn.Linear(EDGE_FEATURES, edge_hidden), _rest_of_mlp(edge_hidden)
        )
        self.steps = nn.ModuleList(_Step(hidden, edge_hidden) for _ in range(steps))

    positions: Tensor

    def forward(
        self, morphed: Tensor, calendar: Tensor, sensors: Tensor, gates: Tensor | None
    ) -> Tensor:
        pairs = self.topology.sensor_to_sensor(sensors, gates).neighbours()
        embedding = self.encode_embedding(self.node_embedding[sensors])  # [K, D]
        node = self.encode_node(
            self.encode(morphed) + embedding + self.encode_calendar(calendar)[:, None]
        )  # [B, K, D]
        edge = self.encode_edge(_edge_features(self.positions[sensors], pairs))[
            None
        ]  # [1, K, N, E], alike in all windows
        for step in self.steps:
            node, edge = step(node, edge, pairs)
        out: Tensor = node
        return out


class _Step(nn.Module):
    """One round of messages: first the edges are updated, then the nodes."""

    def __init__(self, hidden: int, edge_hidden: int) -> None:
        super().__init__()
        self.of_edge = nn.Linear(edge_hidden, edge_hidden)
        self.of_receiver = nn.Linear(hidden, edge_hidden, bias=False)
        self.of_sender = nn.Linear(hidden, edge_hidden, bias=False)
        read_old_names(self, {"of_listener": "of_receiver", "of_speaker": "of_sender"})
        self.edge = _rest_of_mlp(edge_hidden)
        self.node = nn.Sequential(nn.Linear(hidden + edge_hidden, hidden), _rest_of_mlp(hidden))

    def forward(self, node: Tensor, edge: Tensor, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """``node [B, K, D]`` and ``edge [B, K, N, E]`` to the same."""
        speaker = (
            self.of_sender(node)
            .index_select(1, pairs.index.flatten())
            .unflatten(1, pairs.index.shape)
        )  # [B, K, N, E]
        edge = edge + self.edge(self.of_edge(edge) + self.of_receiver(node)[:, :, None] + speaker)
        aggregated = torch.einsum("kn,bkne->bke", pairs.weight, edge)
        return node + self.node(torch.cat([node, aggregated], dim=-1)), edge


def _rest_of_mlp(size: int) -> nn.Sequential:
    """All but the first linear layer, which an edge applies to each of its inputs by itself:
    nothing wide is laid together.
    """
    return nn.Sequential(nn.ReLU(), nn.Linear(size, size), nn.LayerNorm(size))


def _edge_features(positions: Tensor, pairs: Pairs) -> Tensor:
    """``[K, N, 4]``: the sender's offset from the receiver, its length, and the proximity."""
    relative = positions[pairs.index] - positions[:, None]  # [K, N, 2]
    return torch.cat(
        [relative, relative.norm(dim=-1, keepdim=True), pairs.proximity[..., None]], dim=-1
    )


def _in_edge_lengths(positions: Tensor | None, topology: Topology, num_sensors: int) -> Tensor:
    """Positions about their centre in the unit of the mean edge, ``[S, 2]``, whatever they came in.

    0 where unknown.
    """
    if positions is None:
        return torch.zeros(num_sensors, 2)
    pairs = topology.sensor_to_sensor(torch.arange(num_sensors), None).neighbours()
    lengths = (positions[pairs.index] - positions[:, None]).norm(dim=-1)
    mean = (lengths * pairs.weight).sum() / pairs.weight.sum().clamp(min=1.0)
    return ((positions - positions.mean(0)) / torch.where(mean > 0, mean, 1.0)).float()
