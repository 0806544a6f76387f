"""ConvLSTM: recurrent cells whose states are images."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from dynst.models.grid.padding import padded
from dynst.models.protocol import FrameShape, Traits
from dynst.models.renamed import read_old_names

__all__ = ["ConvLSTM"]

State = tuple[Tensor, Tensor]
"""What a cell says and what it remembers, ``[B, D, rows, columns]`` each."""


class ConvLSTM(nn.Module):
    """An encoding and a forecasting stack of convolutional LSTM cells (Shi et al. 2015).

    The first stack reads the window. The second one takes over its states and produces the frames
    of the horizon. As in the paper, its layers are in reverse order, and it runs on its states
    alone, without its own forecasts as input. A 1 × 1 convolution over the states of all its layers
    makes each frame. Blocks of ``patch`` × ``patch`` cells are stacked into channels first.
    Peephole connections are left out: they have a weight for each cell of the grid.
    """

    traits = Traits(compact=False)

    def __init__(
        self,
        frames: FrameShape,
        *,
        layers: Annotated[int, Field(ge=1)] = 2,
        kernel: Literal[1, 3, 5, 7] = 3,
        patch: Annotated[int, Field(ge=1)] = 2,
    ) -> None:
        super().__init__()
        hidden, area = frames.hidden, patch**2
        self.frames, self.patch = frames, patch
        inputs = [frames.channels_in * area, *[hidden] * (layers - 1)]
        self.encoder = nn.ModuleList(_Cell(channels, hidden, kernel) for channels in inputs)
        self.decoder = nn.ModuleList(
            _Cell(hidden if layer else 0, hidden, kernel) for layer in range(layers)
        )
        self.forecast = nn.Conv2d(layers * hidden, frames.channels_out * area, 1)
        read_old_names(self, {"reading": "encoder", "telling": "decoder"})

    def forward(self, images: Tensor) -> Tensor:
        """``[B, T, channels_in, rows, columns]`` to ``[B, H, channels_out, rows, columns]``."""
        frames, batch = self.frames, images.shape[0]
        blocks = nn.functional.pixel_unshuffle(padded(images.flatten(0, 1), self.patch), self.patch)
        states = self._encode(blocks.unflatten(0, (batch, frames.window)))
        decoded = self._decode(states[::-1])  # [B, H, layers · D, rows / patch, columns / patch]
        frame = nn.functional.pixel_shuffle(self.forecast(decoded.flatten(0, 1)), self.patch)
        out: Tensor = frame.unflatten(
            0, (batch, frames.horizon)
        )  # [B, H, channels_out, rows, columns], padded
        return out[..., : frames.rows, : frames.columns]

    def _encode(self, blocks: Tensor) -> list[State]:
        blank = blocks.new_zeros(blocks.shape[0], self.frames.hidden, *blocks.shape[-2:])
        states = [(blank, blank)] * len(self.encoder)
        for frame in blocks.unbind(1):
            states = _step(self.encoder, frame, states)
        return states

    def _decode(self, states: list[State]) -> Tensor:
        decoded = []
        for _ in range(self.frames.horizon):
            states = _step(self.decoder, None, states)
            decoded.append(torch.cat([h for h, _ in states], dim=1))
        return torch.stack(decoded, dim=1)


class _Cell(nn.Module):
    def __init__(self, channels_in: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.convolve = nn.Conv2d(channels_in + hidden, 4 * hidden, kernel, padding=kernel // 2)

    def forward(self, x: Tensor | None, state: State) -> State:
        h, c = state
        gates = self.convolve(h if x is None else torch.cat([x, h], dim=1))
        i, f, o, g = gates.chunk(4, dim=1)
        c = (f + 1).sigmoid() * c + i.sigmoid() * g.tanh()  # 1: at first it remembers
        return o.sigmoid() * c.tanh(), c


def _step(cells: nn.ModuleList, x: Tensor | None, states: list[State]) -> list[State]:
    """One step of a stack, each cell takes the state of the one below as input."""
    after: list[State] = []
    for cell, state in zip(cells, states, strict=True):
        after.append(cell(x, state))
        x = after[-1][0]
    return after
