"""In what precision a forecast is computed.

Weights, optimizer, loss and importance stay in float32 whatever it is.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

__all__ = ["Arithmetic", "Precision"]

Precision = Literal["float32", "bfloat16", "float16"]


class Arithmetic:
    """Forward, backward and optimizer step in one precision.

    float16 has no room for small gradients: losses are scaled up before they are derived, gradients
    down again before anyone reads them, and a step that overflowed is left out (Micikevicius et al.
    2018). Nothing here waits for the device where the optimizer is a fused one.
    """

    def __init__(self, precision: Precision, device: torch.device) -> None:
        self.precision, self.device = precision, device
        self._scaler = torch.amp.GradScaler(device.type, enabled=precision == "float16")

    def forward(self) -> AbstractContextManager[Any]:
        """Matrix products and convolutions inside are in this precision."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=getattr(torch, self.precision))

    def backward(self, loss: Tensor) -> None:
        self._scaler.scale(loss).backward()

    def unscaled(self, gradient: Tensor) -> Tensor:
        """Of a tensor that the optimizer does not know; what overflowed is not finite."""
        return (
            gradient / self._scaler.scale(gradient.new_ones(()))
            if self._scaler.is_enabled()
            else gradient
        )

    def step(
        self,
        optimizer: torch.optim.Optimizer,
        model: nn.Module,
        clip_norm: float,
        norm: Tensor | None = None,
    ) -> None:
        """One step, with gradients no longer than ``clip_norm`` together.

        Args:
            optimizer: of the model's parameters.
            model: whose gradients are there.
            clip_norm: the largest norm.
            norm: of the gradients of all ranks, as they are scaled, where each rank has others.
        """
        parameters = list(model.parameters())
        if norm is not None and self._scaler.is_enabled():
            _spoil(parameters, norm)
        self._scaler.unscale_(optimizer)
        if norm is None:
            torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
        else:
            torch.nn.utils.clip_grads_with_norm_(parameters, clip_norm, self.unscaled(norm))
        self._scaler.step(optimizer)
        self._scaler.update()

    def state_dict(self) -> dict[str, Any]:
        return self._scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing is taken over from a training in another precision."""
        if self._scaler.is_enabled() and state:
            self._scaler.load_state_dict(state)


def _spoil(parameters: list[nn.Parameter], norm: Tensor) -> None:
    """A gradient that overflowed on any rank makes one of this rank not finite: all leave the step
    out, or none.
    """
    gradient = next(weight.grad for weight in parameters if weight.grad is not None)
    gradient.view(-1)[:1].add_(0 * norm)
