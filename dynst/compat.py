"""Where we lean on what PyTorch does not promise, each with a test that fails when a new PyTorch
has it otherwise (``tests/dynst/test_compat.py``).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

__all__ = [
    "TorchDispatchMode",
    "bag_products",
    "compiled_in_fixed_shapes",
    "num_compiled",
    "tree_leaves",
    "tree_map",
]

MOST_SHAPES = 256  # of one function; beyond its limit PyTorch goes on without compiling
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


def compiled_in_fixed_shapes(module: nn.Module, backend: str) -> Callable[..., Tensor]:
    """The module's forward pass, compiled anew for each shape of its inputs.

    A function and no module, so that weights keep their names. PyTorch keeps eight shapes of one
    function by default, for all modules of a class together.
    """
    limits = torch._dynamo.config
    limits.recompile_limit = max(limits.recompile_limit, MOST_SHAPES)
    limits.accumulated_recompile_limit = max(limits.accumulated_recompile_limit, MOST_SHAPES)
    compiled: Callable[..., Tensor] = torch.compile(module.forward, backend=backend, dynamic=False)
    return compiled


def num_compiled() -> int:
    """Graphs that PyTorch has compiled in this process."""
    return int(torch._dynamo.utils.counters["stats"]["unique_graphs"])
