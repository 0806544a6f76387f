"""Every location receives messages from a short list of neighbours, and from a far field.

The far field is all active sensors together as one sender. Time and memory grow with the network.
"""

import torch
from torch import Tensor

from dynst.models.layers.gated_aggregation import gated_attention, gated_average
from dynst.models.layers.sparse_ops import Bags, dots, weighted_sum
from dynst.models.protocol import Aggregation, HeadAggregation, Neighborhood, Pairs, Topology

__all__ = ["SparseTopology"]


class SparseTopology(Topology):
    """``neighbours[l]`` lists the senders of location l, ``proximity[l]`` how near they are.

    A location is never its own sender. The lists do not depend on which sensors are on, so gates on
    a superset and the active set alone meet in the same sums. Where every neighbour is off, the far
    field is left: one more sender, whose value is the average of all active sensors and whose score
    is their average score, as distant masses are taken together in an n-body sum (Barnes and Hut
    1986).
    """

    neighbours: Tensor
    proximity: Tensor

    def __init__(self, neighbours: Tensor, proximity: Tensor) -> None:
        super().__init__()
        self.register_buffer(
            "neighbours", neighbours, persistent=False
        )  # [S, N] int64, −1 fills short lists
        self.register_buffer("proximity", proximity, persistent=False)  # [S, N] ≥ 0, 0 where filled

    def restricted(self, sensors: Tensor) -> "SparseTopology":
        number = self._numbers(sensors)[self.neighbours[sensors]]
        return SparseTopology(number, self.proximity[sensors].masked_fill(number < 0, 0.0))

    def sensor_to_sensor(self, sensors: Tensor, gates: Tensor | None) -> Neighborhood:
        return self._neighborhood(self.neighbours[sensors], self.proximity[sensors], sensors, gates)

    def sensor_to_location(
        self, sensors: Tensor, gates: Tensor | None, locations: Tensor | None = None
    ) -> Neighborhood:
        if locations is None:
            return self._neighborhood(self.neighbours, self.proximity, sensors, gates)
        return self._neighborhood(
            self.neighbours[locations], self.proximity[locations], sensors, gates
        )

    def _neighborhood(
        self, neighbours: Tensor, proximity: Tensor, sensors: Tensor, gates: Tensor | None
    ) -> Neighborhood:
        slots = self._numbers(sensors)[neighbours]
        return _SparseNeighborhood(slots, proximity, gates, len(sensors))

    def _numbers(self, sensors: Tensor) -> Tensor:
        """``[S + 1]``, of each sensor its place among the given ones; −1 of others, and at −1."""
        slot = sensors.new_full((len(self.neighbours) + 1,), -1)
        slot[sensors] = torch.arange(len(sensors), device=sensors.device)
        return slot


class _SparseNeighborhood:
    def __init__(
        self, slots: Tensor, proximity: Tensor, gates: Tensor | None, num_sensors: int
    ) -> None:
        self.present = slots >= 0  # [L, N]
        self.proximity = proximity * self.present  # [L, N]
        self.gates = gates  # [K]
        self._slots, self._num_sensors = slots, num_sensors
        self.index = slots.clamp(min=0)  # [L, N]
        self.gate_of = None if gates is None else gates[self.index]  # [L, N]
        self._everyone = proximity.new_ones(1, num_sensors)
        # made when first asked for; a cached_property's lock would cut a compiled graph in two
        self._bags: Bags | None = None
        self._far: Tensor | None = None

    def average(self) -> Aggregation:
        return self._near(gated_average(self.proximity, self.gate_of))

    def attend(
        self, query: Tensor, key: Tensor, proximity_weight: Tensor | None = None
    ) -> Aggregation:
        return self._with_far_field(self._weight(query, key, proximity_weight))

    def attend_by_head(
        self, query: Tensor, key: Tensor, proximity_weight: Tensor
    ) -> HeadAggregation:
        weight = self._weight(query, key, proximity_weight)
        return HeadAggregation(
            self._with_far_field(weight), self._with_far_field(weight.mean(0, keepdim=True))
        )

    def _weight(self, query: Tensor, key: Tensor, proximity_weight: Tensor | None) -> Tensor:
        """``[..., L, N + 1]``, the far field's last."""
        scores = self._scores(query, key)  # [..., L, N]
        if proximity_weight is not None:
            scores = scores + proximity_weight * self.proximity
        far_score = query @ (self._share @ key).mT  # [..., L, 1]
        gates = (
            None
            if self.gate_of is None
            else torch.cat([self.gate_of, torch.ones_like(self.gate_of[:, :1])], dim=-1)
        )
        return gated_attention(
            torch.cat([scores.masked_fill(~self.present, -torch.inf), far_score], dim=-1), gates
        )

    def _with_far_field(self, weight: Tensor) -> Aggregation:
        near = self._near(weight[..., :-1])
        return lambda values: near(values) + weight[..., -1:] * (self._share @ values)

    def neighbours(self) -> Pairs:
        return Pairs(self.index, gated_average(self.proximity, self.gate_of), self.proximity)

    @property
    def bags(self) -> Bags:
        if self._bags is None:
            self._bags = (
                Bags.of(self._slots, self._num_sensors)
                if self._counts
                else Bags.full(self.index, self._num_sensors)
            )
        return self._bags

    @property
    def _counts(self) -> bool:
        """Whether absent entries are left out, which takes a look at them.

        On a device that would have to wait, and in a compiled graph, whose shapes are known before
        it runs, they count as 0.
        """
        return self._slots.is_cpu and not torch.compiler.is_compiling()

    @property
    def _share(self) -> Tensor:
        """The average over all active sensors, ``[1, K]``."""
        if self._far is None:
            self._far = gated_average(self._everyone, self.gates)
        return self._far

    def _scores(self, query: Tensor, key: Tensor) -> Tensor:
        """``[..., L, E]``, ``[..., K, E]`` to ``[..., L, N]``, 0 where a list has no entry."""
        if torch.compiler.is_exporting():  # the number of entries would have to be known
            return (query[..., None, :] * key[..., self.index, :]).sum(-1) * self.present
        heads = zip(_heads(query), _heads(key), strict=True)
        return torch.stack([self._fill(dots(self.bags, *pair)) for pair in heads]).view(
            *query.shape[:-1], -1
        )

    def _fill(self, entries: Tensor) -> Tensor:
        if not self._counts:
            return entries.view(self.present.shape) * self.present
        return entries.new_zeros(self.present.shape).masked_scatter(self.present, entries)

    def _entries(self, weight: Tensor) -> Tensor:
        return (
            weight.masked_select(self.present)
            if self._counts
            else (weight * self.present).flatten()
        )

    def _near(self, weight: Tensor) -> Aggregation:
        """The sum over each list by ``weight [..., L, N]``."""
        if torch.compiler.is_exporting():
            known = (weight * self.present)[..., None]
            return lambda values: (known * values[..., self.index, :]).sum(-2)
        by_head = [self._entries(head) for head in _heads(weight)]

        def mix(values: Tensor) -> Tensor:
            batch, size = len(values), values.shape[-1]
            # [heads, K, B·D]
            tables = values.reshape(batch, len(by_head), -1, size).permute(1, 2, 0, 3).flatten(2)
            sums = [weighted_sum(self.bags, *pair) for pair in zip(by_head, tables, strict=True)]
            # [B, heads, L, D]
            mixed: Tensor = torch.stack(sums).unflatten(-1, (batch, size)).permute(2, 0, 1, 3)
            return mixed.reshape(*values.shape[:-2], -1, size)

        return mix


def _heads(values: Tensor) -> Tensor:
    """``[..., L, D]`` to ``[heads, L, D]``."""
    return values.reshape(-1, *values.shape[-2:])
