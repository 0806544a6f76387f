"""Sums over short lists, in memory of one list and one table: no tensor ever holds a message for
each entry of each list.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import embedding_bag

from dynst.compat import bag_products
from dynst.models.layers.gated_aggregation import widened

__all__ = ["Bags", "dots", "weighted_sum"]


@dataclass(frozen=True)
class Bags:
    """M entries (row, column) of a sparse ``[L, K]`` pattern, row by row, and for the way back
    column by column.
    """

    rows: Tensor  # [M]
    columns: Tensor  # [M]
    starts: Tensor  # [L + 1], where each row's entries begin
    by_column: Tensor  # [M], entries in the order of their columns
    rows_by_column: Tensor  # [M]
    column_starts: Tensor  # [K + 1]

    @classmethod
    def of(cls, pattern: Tensor, num_columns: int) -> "Bags":
        """From lists of columns ``[L, N]``, where −1 is no entry."""
        present = pattern >= 0
        columns = pattern[present]
        rows = torch.arange(len(pattern), device=pattern.device).repeat_interleave(present.sum(1))
        per_column = torch.bincount(columns, minlength=num_columns)
        by_column = columns.argsort(stable=True)
        return cls(
            rows, columns, _starts(present.sum(1)), by_column, rows[by_column], _starts(per_column)
        )

    @classmethod
    def full(cls, columns: Tensor, num_columns: int) -> "Bags":
        """Of lists ``[L, N]`` without a gap.

        Nothing is counted whose number only the device would know, so nobody waits for it.
        """
        lists, size = columns.shape
        entries = columns.flatten()
        rows = torch.arange(lists, device=columns.device).repeat_interleave(size)
        by_column = entries.argsort(stable=True)
        starts = torch.arange(lists + 1, device=columns.device) * size
        edges = torch.arange(num_columns + 1, device=columns.device)
        return cls(
            rows,
            entries,
            starts,
            by_column,
            rows[by_column],
            torch.searchsorted(entries[by_column], edges),
        )


def weighted_sum(bags: Bags, weight: Tensor, table: Tensor) -> Tensor:
    """``out[l] = Σ weight[m] · table[column of m]`` over the entries m of row l: ``[M]``, ``[K,
    D]`` to ``[L, D]``.
    """
    out: Tensor = _WeightedSum.apply(widened(weight), widened(table), bags)  # type: ignore[no-untyped-call]
    return out


def dots(bags: Bags, left: Tensor, right: Tensor) -> Tensor:
    """``out[m] = left[row of m] · right[column of m]``: ``[L, D]``, ``[K, D]`` to ``[M]``."""
    out: Tensor = _Dots.apply(widened(left), widened(right), bags)  # type: ignore[no-untyped-call]
    return out


class _WeightedSum(Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, table: Tensor, bags: Bags) -> Tensor:
        ctx.save_for_backward(weight, table)
        ctx.bags = bags
        return _over_rows(bags, weight, table)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        weight, table = ctx.saved_tensors
        return _products(ctx.bags, grad, table), _over_columns(ctx.bags, weight, grad), None


class _Dots(Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, bags: Bags) -> Tensor:
        ctx.save_for_backward(left, right)
        ctx.bags = bags
        return _products(bags, left, right)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        left, right = ctx.saved_tensors
        return _over_rows(ctx.bags, grad, right), _over_columns(ctx.bags, grad, left), None


def _over_rows(bags: Bags, weight: Tensor, table: Tensor) -> Tensor:
    return _bag(bags.columns, bags.starts, weight, table)


def _over_columns(bags: Bags, weight: Tensor, table: Tensor) -> Tensor:
    return _bag(bags.rows_by_column, bags.column_starts, weight[bags.by_column], table)


def _bag(index: Tensor, starts: Tensor, weight: Tensor, table: Tensor) -> Tensor:
    return embedding_bag(
        index,
        table.contiguous(),
        starts,
        mode="sum",
        per_sample_weights=weight.contiguous(),
        include_last_offset=True,
    )


def _products(bags: Bags, left: Tensor, right: Tensor) -> Tensor:
    return bag_products(left, right, bags.rows, bags.columns, bags.starts[:-1])


def _starts(counts: Tensor) -> Tensor:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])
