"""Short lists of candidate neighbours, made from the edges alone: the same edges always give the
same lists.
"""

import numpy as np
import torch
from torch import Tensor

from dynst.data.edges import Edges

__all__ = ["neighbour_lists"]

# at least this many of each list, or half of it, carry the search on to their own neighbours
REACH = 8
FADE = 0.5  # of proximity, for each further hop: where all weights are equal, far is still far
ROUNDS = 3  # a round doubles the reach: at most 8 hops
COMPARED = 2**24  # pairs compared at once


def neighbour_lists(edges: Edges, num_sensors: int, width: int) -> tuple[Tensor, Tensor]:
    """Up to ``width`` neighbours of each sensor, nearest first.

    Nearness is taken as mutual: an edge counts both ways, those that point at the sensor first. A
    list that the direct neighbours do not fill is filled with theirs, whose proximity is the
    largest product of weights along the way, halved for each further hop; so a location keeps
    active neighbours when most of the sensors are off. Edges of weight 0 join nobody.

    Returns:
        Neighbours ``[S, width]`` int64, −1 where a list is short, and proximities ``[S, width]``,
        largest 1, 0 where it is short. To be read only: who asks again gets the same tensors.
    """
    known = edges.lists
    if (num_sensors, width) not in known:
        known[num_sensors, width] = _made(edges, num_sensors, width)
    return known[num_sensors, width]


def _made(edges: Edges, num_sensors: int, width: int) -> tuple[Tensor, Tensor]:
    index, weight = _direct(edges, num_sensors, width)
    reach = max(REACH, width // 2)
    for _ in range(ROUNDS):
        blocks = (
            (index[:, -1] < 0).nonzero().squeeze(1).split(max(1, COMPARED // (reach**2 * width)))
        )
        wider = [
            _widen(rows, index, weight, reach) for rows in blocks
        ]  # all of them from the lists as they were
        for rows, (more, proximity) in zip(blocks, wider, strict=True):
            index[rows], weight[rows] = more, proximity
    return index, weight


def _direct(edges: Edges, num_sensors: int, width: int) -> tuple[Tensor, Tensor]:
    """The ends of each sensor's own edges: incoming before outgoing, then by weight, then by
    number.
    """
    joins = (edges.weight > 0) & (edges.source != edges.target)
    source, target, weight = edges.source[joins], edges.target[joins], edges.weight[joins]
    here, there = np.concatenate([target, source]), np.concatenate([source, target])
    both, outgoing = np.concatenate([weight, weight]), np.arange(2 * len(weight)) >= len(weight)
    order = np.lexsort((-both, outgoing, there, here))
    order = order[
        _first_of_run(here[order] * num_sensors + there[order])
    ]  # parallel edges: the incoming, larger one
    order = order[np.lexsort((there[order], -both[order], outgoing[order], here[order]))]
    count = np.bincount(here[order], minlength=num_sensors)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count)
    kept = order[rank < width]
    index, near = torch.full((num_sensors, width), -1), torch.zeros(num_sensors, width)
    cell = torch.from_numpy(here[kept]), torch.from_numpy(rank[rank < width])
    index[cell] = torch.from_numpy(there[kept])
    near[cell] = torch.from_numpy(both[kept] / both.max(initial=1e-12))
    return index, near


def _widen(rows: Tensor, index: Tensor, weight: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """The lists of ``rows``, followed by the neighbours of their neighbours, nearest first, as far
    as there is room.
    """
    listed, width = index[rows], index.shape[1]
    via, way = listed[:, :reach], weight[rows][:, :reach, None]
    new = torch.where(via[..., None] >= 0, index[via, :reach], -1).flatten(1)  # [R, reach²]
    near = (FADE * way * weight[via, :reach]).flatten(1)
    known = (new < 0) | (new == rows[:, None]) | (new[..., None] == listed[:, None]).any(-1)
    new, near = _strongest_of_each(new, near.masked_fill(known, 0))
    rank = torch.cat(
        [torch.where(listed >= 0, torch.inf, 0.0), near], 1
    )  # who is listed stays first
    rank, order = rank.sort(dim=1, descending=True, stable=True)
    rank, order = rank[:, :width], order[:, :width]
    together = torch.cat([listed, new], 1).gather(1, order).masked_fill(rank == 0, -1)
    return together, torch.cat([weight[rows], near], 1).gather(1, order)


def _strongest_of_each(index: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Rows ordered by number, with a weight of 0 for all but the strongest of the same number."""
    by_weight = weight.sort(dim=1, descending=True, stable=True).indices
    order = by_weight.gather(1, index.gather(1, by_weight).sort(dim=1, stable=True).indices)
    index, weight = index.gather(1, order), weight.gather(1, order)
    repeated = torch.zeros_like(index, dtype=torch.bool)
    repeated[:, 1:] = index[:, 1:] == index[:, :-1]
    return index, weight.masked_fill(repeated, 0)


def _first_of_run(values: np.ndarray) -> np.ndarray:
    first = np.ones(len(values), bool)
    first[1:] = values[1:] != values[:-1]
    return first
