"""Which device this process computes on, and what goes between main memory and it: copies that
nobody waits for, and what comes back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from itertools import chain
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from dynst.compat import tree_map

__all__ = [
    "CPU",
    "all_random_states_kept",
    "computing_on",
    "current_device",
    "device_of",
    "fits",
    "module_on",
    "random_state",
    "set_random_state",
    "synchronize",
    "to_cpu",
    "to_device",
]

Module = TypeVar("Module", bound=nn.Module)
CPU = torch.device("cpu")
# of what is free on a device, for the series; the rest is for weights and steps
SHARE_OF_MEMORY = 0.5
_CURRENT: ContextVar[torch.device] = ContextVar("device", default=CPU)


def current_device() -> torch.device:
    """What the block around the caller computes on: ``computing_on`` says it, else the processor.

    Of this thread; another thread begins on the processor.
    """
    return _CURRENT.get()


@contextmanager
def computing_on(device: torch.device, share: float = 1.0) -> Iterator[None]:
    """Models that are trained, evaluated or asked in the block are on ``device``.

    Args:
        device: this process's own; no other is touched.
        share: of a GPU's memory that the process may take, where others share the GPU.
    """
    before = _CURRENT.set(device)
    try:
        with _only_as_asked(device, share):
            yield
    finally:
        _CURRENT.reset(before)


@contextmanager
def _only_as_asked(device: torch.device, share: float) -> Iterator[None]:
    """On a GPU: no more memory than the share, and no convolution in less than float32 unless the
    precision of a training says so. By default PyTorch's are in TF32.
    """
    if device.type != "cuda":
        yield
        return
    torch.cuda.set_device(device)
    if share < 1:
        torch.cuda.set_per_process_memory_fraction(share, device)
    before, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """``values`` on ``device``.

    The copy is under way when this returns, and whatever the device does later comes after it.
    """
    if values.device == device:
        return values
    if device.type == "cuda" and values.is_cpu:
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


def module_on(module: Module, device: torch.device) -> Module:
    """The module itself where it is there already.

    Else a copy, so that nothing that it shares with others leaves them.
    """
    return module if device_of(module) == device else deepcopy(module).to(device)


def device_of(module: nn.Module) -> torch.device:
    """Where a module's tensors are; main memory for one without any."""
    return next((tensor.device for tensor in chain(module.parameters(), module.buffers())), CPU)


def to_cpu(state: Any) -> Any:
    """The same nested state with its tensors in main memory; itself where they are there."""
    return tree_map(lambda value: value.cpu() if isinstance(value, Tensor) else value, state)


def fits(device: torch.device, num_bytes: int) -> bool:
    """Whether so much may stay on the device for good."""
    if device.type != "cuda":
        return True
    free, whole = torch.cuda.mem_get_info(device)
    own = torch.cuda.get_per_process_memory_fraction(device) * whole
    return num_bytes <= SHARE_OF_MEMORY * min(free, own)


def synchronize(device: torch.device) -> None:
    """Until the device has done all that it was given: for whoever measures time."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def random_state(device: torch.device) -> Tensor:
    """How far torch's random numbers are, in main memory and behind them on the device, as
    bytes.
    """
    host = torch.get_rng_state()
    return host if device.type != "cuda" else torch.cat([host, torch.cuda.get_rng_state(device)])


def set_random_state(state: Tensor, device: torch.device) -> None:
    """Go on from there.

    What a device has no part in, since the state comes from one without, goes on as it is.
    """
    host, there = state.tensor_split([len(torch.get_rng_state())])
    torch.set_rng_state(host.clone())  # torch 2.13 crashes on a view
    if device.type == "cuda" and len(there):
        torch.cuda.set_rng_state(there.clone(), device)


@contextmanager
def all_random_states_kept(device: torch.device) -> Iterator[None]:
    """What is drawn inside does not count, in main memory and on the device."""
    before = random_state(device)
    try:
        yield
    finally:
        set_random_state(before, device)
