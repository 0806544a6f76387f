"""Short lists of candidate neighbours, made from the edges alone: the same edges always give the same lists."""

import numpy as np
import torch
from torch import Tensor

from dynst.data.edges import Edges

__all__ = ["neighbour_lists"]

REACH = 8  # of each list, this many carry the search on to their own neighbours
ROUNDS = 3  # a round doubles the reach: at most 8 hops
BLOCK = 16_384  # rows widened at once


def neighbour_lists(edges: Edges, num_sensors: int, width: int) -> tuple[Tensor, Tensor]:
    """Up to ``width`` neighbours of each sensor, nearest first.

    Nearness is taken as mutual: an edge counts both ways, those that point at the sensor first. A list that the direct neighbours
    do not fill is filled with theirs, whose proximity is the largest product of weights along the way; so a location keeps active
    neighbours when most of the sensors are off. Edges of weight 0 join nobody.

    Returns:
        Neighbours ``[S, width]`` int64, −1 where a list is short, and proximities ``[S, width]``, largest 1, 0 where it is short.
    """
    index, weight = _direct(edges, num_sensors, width)
    for _ in range(ROUNDS):
        short = (index[:, -1] < 0).nonzero().squeeze(1)
        wider = [_widen(rows, index, weight) for rows in short.split(BLOCK)]
        before = index.clone()
        for rows, (more, proximity) in zip(short.split(BLOCK), wider, strict=True):
            index[rows], weight[rows] = more, proximity
        if torch.equal(index, before):
            break
    return index, weight


def _direct(edges: Edges, num_sensors: int, width: int) -> tuple[Tensor, Tensor]:
    """The ends of each sensor's own edges: incoming before outgoing, then by weight, then by number."""
    joins = (edges.weight > 0) & (edges.source != edges.target)
    source, target, weight = edges.source[joins], edges.target[joins], edges.weight[joins]
    here, there = np.concatenate([target, source]), np.concatenate([source, target])
    both, outgoing = np.concatenate([weight, weight]), np.arange(2 * len(weight)) >= len(weight)
    order = np.lexsort((-both, outgoing, there, here))
    order = order[_first_of_run(here[order] * num_sensors + there[order])]  # parallel edges: the incoming, larger one
    order = order[np.lexsort((there[order], -both[order], outgoing[order], here[order]))]
    rank = np.arange(len(order)) - np.flatnonzero(_first_of_run(here[order])).repeat(_run_lengths(here[order]))
    kept = order[rank < width]
    index, near = torch.full((num_sensors, width), -1), torch.zeros(num_sensors, width)
    cell = torch.from_numpy(here[kept]), torch.from_numpy(rank[rank < width])
    index[cell] = torch.from_numpy(there[kept])
    near[cell] = torch.from_numpy(both[kept] / both.max(initial=1e-12))
    return index, near


def _widen(rows: Tensor, index: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The lists of ``rows``, followed by the neighbours of their neighbours, nearest first, as far as there is room."""
    old, width = index[rows], index.shape[1]
    via, reach = old[:, :REACH], weight[rows][:, :REACH, None]
    new = torch.where(via[..., None] >= 0, index[via, :REACH], -1).flatten(1)  # [R, REACH²]
    near = (reach * weight[via, :REACH]).flatten(1)
    near = near.masked_fill((new < 0) | (new == rows[:, None]), 0)
    candidates, strength = torch.cat([old, new], 1), torch.cat([weight[rows] + 2.0, near], 1)  # who is listed stays first
    strength = strength.masked_fill(candidates < 0, 0)
    order = strength.sort(1, descending=True, stable=True).indices
    order = order.gather(1, candidates.gather(1, order).sort(1, stable=True).indices)
    candidates, strength = candidates.gather(1, order), strength.gather(1, order)  # by number, the strongest of each first
    repeated = torch.zeros_like(candidates, dtype=torch.bool)
    repeated[:, 1:] = candidates[:, 1:] == candidates[:, :-1]
    strength, best = strength.masked_fill(repeated, 0).sort(1, descending=True, stable=True)
    strength, best = strength[:, :width], best[:, :width]
    near = torch.where(strength > 1.5, strength - 2.0, strength)
    return candidates.gather(1, best).masked_fill(strength == 0, -1), near


def _first_of_run(values: np.ndarray) -> np.ndarray:
    return np.concatenate([np.ones(len(values) > 0, bool), values[1:] != values[:-1]])


def _run_lengths(values: np.ndarray) -> np.ndarray:
    return np.unique(values, return_counts=True)[1]
