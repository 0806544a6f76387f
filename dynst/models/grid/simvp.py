"""SimVP with the gated spatio-temporal attention: convolutions alone, all frames of the window at
once.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from dynst.models.grid.padding import padded
from dynst.models.grid.stage import Stage
from dynst.models.protocol import FrameShape, Traits
from dynst.models.renamed import read_old_names

__all__ = ["SimVP"]

FIRST_CHANGE = 1e-2  # of what each half of a translator's block adds


class SimVP(nn.Module):
    """Frames are encoded one by one, translated from window to horizon as one stack of channels,
    and decoded one by one (Tan et al. 2022, 2025, translator gSTA).

    Differences from what was published: the translator's blocks normalise each sample by itself
    (group instead of batch normalisation) and have ``width`` channels throughout; the skip from the
    first stage to the last one sums the frames of the window by learned weights, which begin as
    published: step h takes frame h, and steps beyond the window its last frame.
    """

    traits = Traits(compact=False)

    def __init__(
        self,
        frames: FrameShape,
        *,
        halvings: Annotated[int, Field(ge=1, le=6)] = 1,
        blocks: Annotated[int, Field(ge=1)] = 4,
        width: Annotated[int, Field(ge=1)] = 128,
        expansion: Annotated[int, Field(ge=1)] = 2,
        kernel: Annotated[int, Field(ge=1)] = 21,
        dilation: Annotated[int, Field(ge=1)] = 3,
    ) -> None:
        """``kernel`` is how many cells across one attention sees, composed of a near and a
        ``dilation``-spaced convolution.
        """
        super().__init__()
        hidden = frames.hidden
        self.frames, self.multiple = frames, 2**halvings
        self.first, self.last = Stage(frames.channels_in, hidden), Stage(hidden, hidden)
        self.encode = _every_second(hidden, halvings, halves=True)
        self.decode = _every_second(hidden, halvings, doubles=True)
        self.translate = nn.Sequential(
            nn.Conv2d(frames.window * hidden, width, 1),
            *(_Block(width, expansion, kernel, dilation) for _ in range(blocks)),
            nn.Conv2d(width, frames.horizon * hidden, 1),
        )
        self.skip = nn.Parameter(_same_frame(frames.window, frames.horizon))
        self.forecast = nn.Conv2d(hidden, frames.channels_out, 1)

    def forward(self, images: Tensor) -> Tensor:
        """``[B, T, channels_in, rows, columns]`` to ``[B, H, channels_out, rows, columns]``."""
        frames, batch = self.frames, images.shape[0]
        first = self.first(
            padded(images.flatten(0, 1), self.multiple)
        )  # [B · T, D, rows, columns], padded
        # [B, T · D, rows / 2, columns / 2]
        stacked = self.encode(first).unflatten(0, (batch, frames.window)).flatten(1, 2)
        translated = (
            self.translate(stacked).unflatten(1, (frames.horizon, frames.hidden)).flatten(0, 1)
        )
        skipped = torch.einsum(
            "ht,btdrc->bhdrc", self.skip, first.unflatten(0, (batch, frames.window))
        )
        ahead = self.forecast(self.last(self.decode(translated) + skipped.flatten(0, 1)))
        out: Tensor = ahead.unflatten(
            0, (batch, frames.horizon)
        )  # [B, H, channels_out, rows, columns], padded
        return out[..., : frames.rows, : frames.columns]


class _Block(nn.Module):
    """Attention by a large gated kernel, then each cell by itself.

    Both are added, at first as little.
    """

    def __init__(self, width: int, expansion: int, kernel: int, dilation: int) -> None:
        super().__init__()
        wide = expansion * width
        self.attend = nn.Sequential(
            nn.GroupNorm(1, width), _GatedAttention(width, kernel, dilation)
        )
        self.ffn = nn.Sequential(
            nn.GroupNorm(1, width),
            nn.Conv2d(width, wide, 1),
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide),
            nn.GELU(),
            nn.Conv2d(wide, width, 1),
        )
        self.scales = nn.Parameter(torch.full((2, width, 1, 1), FIRST_CHANGE))
        read_old_names(self, {"alone": "ffn"})

    def forward(self, state: Tensor) -> Tensor:
        """``[B, width, rows, columns]`` to the same."""
        state = state + self.scales[0] * self.attend(state)
        changed: Tensor = state + self.scales[1] * self.ffn(state)
        return changed


class _GatedAttention(nn.Module):
    """A large depthwise kernel, as a small one followed by a spaced one, whose one half of channels
    gates the other.
    """

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        near, far = 2 * dilation - 1, max((kernel // dilation - 1) // 2 * 2 + 1, 1)
        self.proj_in = nn.Conv2d(width, width, 1)
        self.near = nn.Conv2d(width, width, near, padding=near // 2, groups=width)
        self.far = nn.Conv2d(
            width, width, far, padding=far // 2 * dilation, dilation=dilation, groups=width
        )
        self.mix = nn.Conv2d(width, 2 * width, 1)
        self.proj_out = nn.Conv2d(width, width, 1)
        read_old_names(self, {"enter": "proj_in", "leave": "proj_out"})

    def forward(self, state: Tensor) -> Tensor:
        seen = self.far(self.near(nn.functional.gelu(self.proj_in(state))))
        value, gate = self.mix(seen).chunk(2, dim=1)
        changed: Tensor = state + self.proj_out(value * gate.sigmoid())
        return changed


def _every_second(
    hidden: int, count: int, *, halves: bool = False, doubles: bool = False
) -> nn.Sequential:
    """``count`` stages that change the size, with one between them that does not."""
    stages = nn.Sequential(Stage(hidden, hidden, halves=halves, doubles=doubles))
    for _ in range(count - 1):
        stages.extend(
            [Stage(hidden, hidden), Stage(hidden, hidden, halves=halves, doubles=doubles)]
        )
    return stages


def _same_frame(window: int, horizon: int) -> Tensor:
    """``[H, T]``: 1 at the frame of the same place, or the window's last."""
    frame = torch.arange(horizon).clamp(max=window - 1)
    return nn.functional.one_hot(frame, window).float()
