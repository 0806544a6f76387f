"""From sensors to images of their grid and back, around a network that knows images alone."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dynst.data.manifest import Patching
from dynst.data.patches import to_patches
from dynst.models.protocol import FrameShape, Shape
from dynst.models.renamed import read_old_names

__all__ = ["OnFrames", "frame_shape"]

NOWHERE = -1


class OnFrames(nn.Module):
    """``[B, T, S, 2C]``, readings and their mask of all sensors, to ``[B, H, S, targets]`` by way
    of images.

    A cell that no sensor covers is 0 in every image, in that of the mask too. The network forecasts
    the change from the last reading, whose weight ``persistence [H]`` begins as 1; the last reading
    of a sensor that is off is its seasonal profile.
    """

    def __init__(
        self, network: nn.Module, layout: Patching, shape: Shape, targets: Sequence[int]
    ) -> None:
        super().__init__()
        self.network = network
        self.persistence = nn.Parameter(torch.ones(shape.horizon, 1, 1))
        read_old_names(self, {"share": "persistence"})
        self.size, self.depth = (layout.grid.height, layout.grid.width), len(layout.channels)
        read, write = (
            _cells(layout, depth) for depth in (self.depth, _targets_of_a_cell(layout, shape))
        )
        self.targets: Tensor
        self.register_buffer(  # a list would be copied to the device in every step
            "targets", torch.tensor(list(targets), dtype=torch.int64), persistent=False
        )
        self.taken: Tensor
        self.filled: Tensor
        self.write: Tensor
        self.known: Tensor
        self.register_buffer(
            "taken", (read.flatten() != NOWHERE).nonzero().squeeze(1), persistent=False
        )  # of [S · C]
        self.register_buffer(
            "filled", read.flatten()[self.taken], persistent=False
        )  # of an image's values
        self.register_buffer(
            "write", write.clamp(min=0), persistent=False
        )  # [S, targets], of an image's values
        self.register_buffer("known", write != NOWHERE, persistent=False)  # [S, targets]

    def forward(self, read: Tensor) -> Tensor:
        readings, mask = read.chunk(2, dim=-1)
        ahead = self.network(
            torch.cat([self._image(readings), self._image(mask)], dim=2)
        )  # [B, H, ·, rows, columns]
        cells = ahead.movedim(2, -1).flatten(2)
        forecast: Tensor = (
            cells[..., self.write] * self.known
            + self.persistence * readings[:, -1:, :, self.targets]
        )
        return forecast

    def _image(self, values: Tensor) -> Tensor:
        """``[B, T, S, C]`` to ``[B, T, channels of a cell, rows, columns]``."""
        batch, window = values.shape[:2]
        cells = values.new_zeros(batch, window, self.size[0] * self.size[1] * self.depth)
        cells = cells.index_copy(2, self.filled, values.flatten(2)[..., self.taken])
        return cells.view(batch, window, *self.size, self.depth).movedim(-1, 2)


def frame_shape(layout: Patching, shape: Shape) -> FrameShape:
    """What a network over the images of ``layout`` reads, values and mask, and forecasts."""
    return FrameShape(
        window=shape.window,
        horizon=shape.horizon,
        channels_in=2 * len(layout.channels),
        channels_out=_targets_of_a_cell(layout, shape),
        rows=layout.grid.height,
        columns=layout.grid.width,
        hidden=shape.hidden,
    )


def _targets_of_a_cell(layout: Patching, shape: Shape) -> int:
    return shape.num_targets // (layout.rows * layout.columns)


def _cells(layout: Patching, depth: int) -> Tensor:
    """Where each value of each sensor stands in an image ``[rows · columns · depth]``, ``[S, ·]``.

    ``NOWHERE`` for padding.
    """
    every = torch.arange(layout.grid.height * layout.grid.width * depth)
    return to_patches(every.view(-1, depth), layout, fill=NOWHERE)
