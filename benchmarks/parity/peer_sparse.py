"""Stands in for torch-sparse and torch-scatter, with torch's own sparse matrices.

tsl imports both, and needs one class and one product of them for its diffusion. They come as source
alone and take long to build. The arithmetic is the same; only the kernel of that product is
torch's.
"""

import sys
import warnings
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

__all__ = ["provide_torch_sparse"]

UNUSED = {
    "torch_sparse": ("cat", "fill_diag", "remove_diag", "set_diag"),
    "torch_scatter": ("gather_csr", "scatter", "segment_csr"),
    "torch_scatter.utils": ("broadcast",),
}


def provide_torch_sparse() -> None:
    """Call it before tsl is imported."""
    if find_spec("torch_sparse") and find_spec("torch_scatter"):
        return
    warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta state")
    known = import_module(
        "torch_geometric.typing"
    ).SparseTensor  # what it recognises sparse matrices by
    for name, functions in UNUSED.items():
        sys.modules[name] = ModuleType(name)
        for function in functions:
            setattr(sys.modules[name], function, _absent)
    stand_in: Any = sys.modules["torch_sparse"]
    stand_in.SparseTensor, stand_in.matmul = type("SparseTensor", (_Matrix, known), {}), _product


class _Matrix:
    """A constant sparse matrix ``[to, from]``."""

    def __init__(
        self, row: Tensor, col: Tensor, value: Tensor, sparse_sizes: tuple[int, int]
    ) -> None:
        coo = torch.sparse_coo_tensor(
            torch.stack([row, col]), value, sparse_sizes, check_invariants=True
        ).coalesce()
        self.row, self.col, self.value = *coo.indices(), coo.values()
        self.csr_matrix, self.transposed = coo.to_sparse_csr(), coo.t().to_sparse_csr()

    def size(self, dim: int) -> int:
        return self.csr_matrix.shape[dim]

    def coo(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.row, self.col, self.value

    def csr(self) -> tuple[Tensor, Tensor, Tensor]:
        return (
            self.csr_matrix.crow_indices(),
            self.csr_matrix.col_indices(),
            self.csr_matrix.values(),
        )

    def t(self) -> "_Matrix":
        return type(self)(self.col, self.row, self.value, (self.size(1), self.size(0)))

    def sum(self, dim: int) -> Tensor:
        index = self.row if dim == 1 else self.col
        return self.value.new_zeros(self.size(1 - dim)).index_add(0, index, self.value)

    def __rmul__(self, factor: Tensor) -> "_Matrix":
        """``factor [to, 1]``."""
        return type(self)(
            self.row, self.col, self.value * factor[self.row, 0], (self.size(0), self.size(1))
        )


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrix: _Matrix, values: Tensor) -> Tensor:
        ctx.matrix = matrix
        return _times(matrix.csr_matrix, values)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:
        return None, _times(ctx.matrix.transposed, grad)


def _product(matrix: _Matrix, values: Tensor, reduce: str = "add") -> Tensor:
    """``[..., from, D]`` to ``[..., to, D]``."""
    if reduce not in ("add", "sum"):
        raise NotImplementedError(f"sums alone are stood in for, but got {reduce}")
    out: Tensor = _Product.apply(matrix, values)  # type: ignore[no-untyped-call]
    return out


def _times(matrix: Tensor, values: Tensor) -> Tensor:
    flat = values.movedim(-2, 0)  # [from, ..., D]
    return (matrix @ flat.flatten(1)).view(-1, *flat.shape[1:]).movedim(0, -2)


def _absent(*arguments: object, **options: object) -> None:
    raise NotImplementedError("install torch-scatter and torch-sparse for this model of tsl")
