"""How much memory a call needs at once, counted from its tensors, so that it is the same on any
machine.
"""

import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch

from dynst.compat import TorchDispatchMode, tree_leaves

__all__ = ["peak_memory"]


def peak_memory(call: Callable[[], object]) -> int:
    """Bytes of all tensors that operators of ``call`` made and that lived at the same time, at
    their most.

    What was there before does not count. What an operator needs inside itself, and gives back
    before it ends, is not seen.
    """
    ledger = _Ledger()
    with ledger:
        call()
    return ledger.peak


class _Ledger(TorchDispatchMode):
    """Storages by their address, with how many tensors hold each."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._now = 0
        self._holders = Counter[int]()

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = operator(*args, **(kwargs or {}))
        before = {
            tensor.untyped_storage().data_ptr()
            for tensor in tree_leaves((args, kwargs))
            if isinstance(tensor, torch.Tensor)
        }
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self._enter(tensor, tensor.untyped_storage().data_ptr(), before)
        return out

    def _enter(self, tensor: torch.Tensor, address: int, before: set[int]) -> None:
        """A view of what was there before the call is nobody's new memory."""
        if address in before and not self._holders[address]:
            return
        size = tensor.untyped_storage().nbytes()
        if not self._holders[address]:
            self._now += size
            self.peak = max(self.peak, self._now)
        self._holders[address] += 1
        weakref.finalize(tensor, self._leave, address, size)

    def _leave(self, address: int, size: int) -> None:
        self._holders[address] -= 1
        if not self._holders[address]:
            self._now -= size
