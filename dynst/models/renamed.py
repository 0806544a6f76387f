"""Names of weights that changed: state of an earlier DynST is read by today's modules."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn

__all__ = ["read_old_names"]


def read_old_names(module: nn.Module, names: Mapping[str, str]) -> None:
    """From now on ``module`` loads parameters, buffers and submodules by their old names too.

    Args:
        names: old name to today's, of direct members of ``module``.
    """
    module.register_load_state_dict_pre_hook(partial(_renamed, names))


def _renamed(
    names: Mapping[str, str], module: nn.Module, state: dict[str, Any], prefix: str, *_: Any
) -> None:
    for key in [key for key in state if key.startswith(prefix)]:
        member, dot, rest = key.removeprefix(prefix).partition(".")
        if member in names:
            state[f"{prefix}{names[member]}{dot}{rest}"] = state.pop(key)
