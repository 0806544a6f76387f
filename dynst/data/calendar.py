"""Where a moment stands in the day, the week and the year, as features."""

import torch
from torch import Tensor

from dynst.data.clock import SECONDS

__all__ = ["NUM_CALENDAR", "calendar_features", "shifted_calendar"]

Periods = tuple[int, int, int]  # a day, a week and a year, in the unit of the times
NUM_CALENDAR = 6


def calendar_features(time: Tensor, periods: Periods = SECONDS.periods) -> Tensor:
    """Sine and cosine of the time of day, the week and the year, ``[..., 6]``.

    Args:
        time: ``[...]`` int64 of the clock that seasons follow.
        periods: in its unit.
    """
    angles = [2 * torch.pi * (time % period).double() / period for period in periods]
    return torch.stack(
        [wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=-1
    ).float()


def shifted_calendar(calendar: Tensor, by: int, periods: Periods = SECONDS.periods) -> Tensor:
    """``calendar_features`` of a moment so much later, from those of this one."""
    angle = calendar.new_tensor([2 * torch.pi * (by % period) / period for period in periods])
    sine, cosine = calendar[..., 0::2], calendar[..., 1::2]
    later = (sine * angle.cos() + cosine * angle.sin(), cosine * angle.cos() - sine * angle.sin())
    return torch.stack(later, dim=-1).flatten(-2)
