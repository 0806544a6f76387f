"""The convolution that encoders and decoders of images are stacked from."""

from torch import Tensor, nn

__all__ = ["Stage"]

GROUPS = 2


class Stage(nn.Module):
    """A 3 × 3 convolution, group normalisation of each image by itself, and SiLU.

    It may halve or double the sides.

    Doubling shuffles four channels into each 2 × 2 cells (Shi et al. 2016), as SimVP's decoder
    does.
    """

    def __init__(
        self, channels_in: int, channels_out: int, *, halves: bool = False, doubles: bool = False
    ) -> None:
        super().__init__()
        wide = 4 * channels_out if doubles else channels_out
        self.convolve = nn.Conv2d(channels_in, wide, 3, stride=2 if halves else 1, padding=1)
        self.shuffle = nn.PixelShuffle(2) if doubles else nn.Identity()
        self.norm = nn.GroupNorm(GROUPS, channels_out)

    def forward(self, images: Tensor) -> Tensor:
        """``[N, channels_in, rows, columns]`` to ``[N, channels_out, …]``.

        Halving takes even sides.
        """
        out: Tensor = nn.functional.silu(self.norm(self.shuffle(self.convolve(images))))
        return out
