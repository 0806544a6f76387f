"""Images of any size for networks that halve them."""

from torch import Tensor, nn

__all__ = ["padded"]


def padded(images: Tensor, multiple: int) -> Tensor:
    """``[N, C, rows, columns]`` with the last row and column repeated until both sides are
    multiples.

    What was added is below and to the right, so that ``[..., :rows, :columns]`` takes it away
    again.
    """
    rows, columns = images.shape[-2:]
    return nn.functional.pad(
        images, (0, -columns % multiple, 0, -rows % multiple), mode="replicate"
    )
