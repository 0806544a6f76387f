"""A small U-Net: the window as channels of one image, the horizon as channels of another."""

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from dynst.models.grid.padding import padded
from dynst.models.grid.stage import Stage
from dynst.models.protocol import FrameShape, Traits
from dynst.models.renamed import read_old_names

__all__ = ["UNet"]


class UNet(nn.Module):
    """Two convolutions at each scale on the way down and on the way up, joined across by skips
    (Ronneberger et al. 2015).

    Each level halves the sides and doubles the channels. Group normalisation stands in for none at
    all in the paper; sides are padded to what the levels need instead of being cut by unpadded
    convolutions.
    """

    traits = Traits(compact=False)

    def __init__(
        self, frames: FrameShape, *, levels: Annotated[int, Field(ge=1, le=6)] = 2
    ) -> None:
        super().__init__()
        self.frames, self.multiple = frames, 2**levels
        widths = [frames.hidden * 2**level for level in range(levels + 1)]
        pairs = list(pairwise(widths))
        self.stem = _twice(frames.window * frames.channels_in, frames.hidden)
        self.down = nn.ModuleList(_twice(narrow, wide) for narrow, wide in pairs)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(wide, narrow, 2, stride=2) for narrow, wide in reversed(pairs)
        )
        self.merge = nn.ModuleList(_twice(2 * narrow, narrow) for narrow, _ in reversed(pairs))
        self.forecast = nn.Conv2d(frames.hidden, frames.horizon * frames.channels_out, 1)
        read_old_names(self, {"enter": "stem", "rise": "up", "join": "merge"})

    def forward(self, images: Tensor) -> Tensor:
        """``[B, T, channels_in, rows, columns]`` to ``[B, H, channels_out, rows, columns]``."""
        frames = self.frames
        state = self.stem(
            padded(images.flatten(1, 2), self.multiple)
        )  # [B, D, rows, columns], padded
        skips = []
        for down in self.down:
            skips.append(state)
            state = down(nn.functional.max_pool2d(state, 2))
        for up, merge in zip(self.up, self.merge, strict=True):
            state = merge(torch.cat([skips.pop(), up(state)], dim=1))
        out: Tensor = self.forecast(state).unflatten(1, (frames.horizon, frames.channels_out))
        return out[..., : frames.rows, : frames.columns]


def _twice(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(Stage(channels_in, channels_out), Stage(channels_out, channels_out))
