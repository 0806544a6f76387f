"""Where we lean on what PyTorch does not promise, each with a test that fails when a new PyTorch
has it otherwise (``tests/dynst/test_compat.py``).
"""

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

__all__ = ["TorchDispatchMode", "bag_products", "tree_leaves", "tree_map"]

SUM, NO_PADDING = 0, -1  # of torch's embedding bag


def bag_products(
    left: Tensor, right: Tensor, rows: Tensor, columns: Tensor, starts: Tensor
) -> Tensor:
    """``(left[rows] * right[columns]).sum(1)`` without a tensor of that size: the derivative of a
    weighted sum by its weights, which torch has as one kernel.

    Args:
        left: ``[L, D]``.
        right: ``[K, D]``.
        rows, columns: ``[M]``, sorted by rows.
        starts: ``[L]``, where each row's entries begin.
    """
    kernel = torch.ops.aten._embedding_bag_per_sample_weights_backward
    out: Tensor = kernel(
        left.contiguous(), right.contiguous(), columns, starts, rows, SUM, NO_PADDING
    )
    return out
