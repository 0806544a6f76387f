"""A device that computes: its tensors lie in main memory and are marked as being elsewhere.

Every operation gives exactly what it gives on the processor. As on a GPU, one that mixes its
tensors with those in main memory fails, and numpy does not see them. So does an index that is a
list, for which a step on a GPU would wait. It stands in for a GPU where numbers decide; ``meta``
stands in where they do not.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_iter, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

__all__ = ["Counted", "counted", "stand_in"]

NAME = "stand_in"
# what a GPU takes from main memory too: copies, and the numbers of rows
COPIES = {torch.ops.aten.copy_, torch.ops.aten._to_copy, torch.ops.aten._copy_from}
INDEXING = {
    torch.ops.aten.index,
    torch.ops.aten.index_put,
    torch.ops.aten.index_put_,
    torch.ops.aten._index_put_impl_,
}
# what PyTorch has for processors and GPUs, and would put together of others for any other device
WHOLE = [torch.ops.aten.silu_backward.default]


class Counted:
    """Operations of the device since this began."""

    def __init__(self) -> None:
        self.operations = 0


_COUNTED: list[Counted] = []


@contextmanager
def counted() -> Iterator[Counted]:
    """How many operations the device does in the block."""
    own = Counted()
    _COUNTED.append(own)
    try:
        yield own
    finally:
        _COUNTED.remove(own)


@cache
def stand_in() -> torch.device:
    """The device; PyTorch knows it in this process from now on."""
    _setup_privateuseone_for_python_backend(NAME, backend_module=_Module())
    library = torch.library.Library("_", "IMPL")
    library.fallback(lambda kernel, *given, **named: _done(kernel, given, named), "PrivateUse1")
    own = torch.library.Library("aten", "IMPL")
    for kernel in WHOLE:
        name = kernel._schema.name
        own.impl(name, lambda *given, to=kernel, **named: _done(to, given, named), "PrivateUse1")
    _LIBRARIES.extend([library, own])
    return torch.device(NAME, 0)


_LIBRARIES: list[torch.library.Library] = []  # what is not kept is taken back


class _Module:
    """What PyTorch asks of ``torch.stand_in``."""

    def is_initialized(self) -> bool:
        return True

    def is_available(self) -> bool:
        return True

    def current_device(self) -> int:
        return 0

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None: ...

    def device_count(self) -> int:
        return 1

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]


class _OnStandIn(Tensor):
    """Has the shape of what is ``held`` in main memory, and its numbers only there."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> "_OnStandIn":
        made: _OnStandIn = Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=stand_in(),
        )
        made.held = held
        return made

    def numpy(self, *, force: bool = False) -> Any:
        if force:
            return self.cpu().numpy()
        raise TypeError(f"can't convert {self.device} tensor to numpy; copy it first")

    def tolist(self) -> Any:
        return self.cpu().tolist()

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(
        cls,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return _done(func, args, kwargs or {})


def _done(kernel: Any, given: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """The operation on what is held; its result is where a GPU would have it."""
    for count in _COUNTED:
        count.operations += 1
    _refuse_mixed(kernel, given, named)
    own = {id(each.held): each for each in tree_iter((given, named)) if _is_there(each)}
    asked = named.get("device")
    there = bool(own) if asked is None else asked.type == NAME
    plain = {name: _held(value) for name, value in named.items()}
    if asked is not None:
        plain["device"] = torch.device("cpu")
    plain.pop("pin_memory", None)
    out = kernel(*_held(list(given)), **plain)
    return tree_map(lambda value: _where(value, own, there), out)


def _where(value: Any, own: Mapping[int, Tensor], there: bool) -> Any:
    """What was changed in place stays the tensor that it was."""
    if not there or not isinstance(value, Tensor) or _is_there(value):
        return value
    if id(value) in own:
        return own[id(value)]
    with torch.inference_mode(False):  # a view of what was made outside of it has a version
        return _OnStandIn(value)


def _held(value: Any) -> Any:
    return tree_map(lambda each: each.held if isinstance(each, _OnStandIn) else each, value)


def _is_there(value: object) -> bool:
    return isinstance(value, _OnStandIn)


def _refuse_mixed(kernel: Any, given: Sequence[Any], named: Mapping[str, Any]) -> None:
    """Numbers without a dimension go along with either, as they do on a GPU."""
    packet = kernel.overloadpacket
    if packet in COPIES:
        return
    looked_at = [given[0], *given[2:]] if packet in INDEXING and _is_there(given[0]) else given
    tensors = [each for each in tree_iter((looked_at, named)) if isinstance(each, Tensor)]
    left = [each for each in tensors if not _is_there(each) and each.dim()]
    if left and len(left) < sum(bool(each.dim()) or _is_there(each) for each in tensors):
        raise RuntimeError(
            f"{kernel}: expected all tensors to be on the same device, but found {NAME}:0 and "
            f"cpu, of shape {tuple(left[0].shape)}"
        )
