"""Where a moment stands in the day, the week and the year, as features."""

import torch
from torch import Tensor

__all__ = ["calendar_features", "shifted_calendar"]

PERIODS = (86_400, 604_800, 31_556_952)  # seconds of a day, a week and a mean year


def calendar_features(time: Tensor) -> Tensor:
    """Sine and cosine of the time of day, the week and the year, ``[..., 6]``."""
    angles = [2 * torch.pi * (time % period).double() / period for period in PERIODS]
    return torch.stack(
        [wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=-1
    ).float()


def shifted_calendar(calendar: Tensor, seconds: int) -> Tensor:
    """``calendar_features`` of a moment so much later, from those of this one."""
    angle = calendar.new_tensor([2 * torch.pi * (seconds % period) / period for period in PERIODS])
    sine, cosine = calendar[..., 0::2], calendar[..., 1::2]
    later = (sine * angle.cos() + cosine * angle.sin(), cosine * angle.cos() - sine * angle.sin())
    return torch.stack(later, dim=-1).flatten(-2)
