"""Between main memory and the device that computes: copies that nobody waits for, and what comes
back.
"""

from copy import deepcopy
from itertools import chain
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from dynst.compat import tree_map

__all__ = [
    "CPU",
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
    return (
        device.type != "cuda" or num_bytes <= SHARE_OF_MEMORY * torch.cuda.mem_get_info(device)[0]
    )


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
