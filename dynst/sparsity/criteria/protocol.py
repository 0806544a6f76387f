"""What a criterion is: it watches probe steps and answers with one score a sensor, larger is
better.
"""

from typing import Protocol

from torch import Tensor

__all__ = ["Criterion"]


class Criterion(Protocol):
    """Active and inactive sensors are scored on one scale, so that an exchange compares like with
    like.
    """

    needs_probes: bool

    def gates(self, active: Tensor) -> Tensor:
        """``[S]`` float32: the gate of each sensor on a probe step.

        0 where it is off, above 0 where it is on.
        """
        return active.float()

    def observe(self, gate_gradient: Tensor, active: Tensor) -> None:
        """Take in ``∂L/∂g`` ``[S]`` of one probe step over ``active``, averaged over ranks.

        NaN where a sensor was no candidate.
        """
        return

    def begin_update(self) -> None:
        """An update of the mask is about to ask for scores."""
        return

    def scores(self, active: Tensor) -> Tensor:
        """``[S]`` float64, finite. Asking twice gives the same."""
        ...

    def state_dict(self) -> dict[str, Tensor]: ...

    def load_state_dict(self, state: dict[str, Tensor]) -> None: ...
