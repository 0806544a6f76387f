"""Rows of a series copied window by window, as fast as a processor or a device can."""

from math import prod

import numpy as np
import torch
from torch import Tensor

from dynst.devices import to_device

__all__ = ["channel_range", "gather", "gather_all", "of_channels", "window_rows"]

CACHED_BYTES = 2**21  # what a processor's cache holds while sensors are chosen from it
# Beyond this, memory is always fresh from the system; numpy asks for huge pages, which are faster.
HUGE_BYTES = 2**25


def gather(rows: Tensor, first: Tensor, length: int, sensors: Tensor) -> Tensor:
    """``[N, S, C]`` to ``[B, length, K, C]``: the columns ``sensors`` of the rows from each
    ``first`` on.

    Whole rows are copied first where the cache holds them all; wider windows are read one by one,
    where they lie. Either is several times as fast as an index for every entry.
    """
    num_sensors, num_channels = rows.shape[1:]
    if not rows.is_cpu:
        return _picked(rows, first, length, sensors)
    if torch.equal(sensors, torch.arange(num_sensors, device=sensors.device)):
        return gather_all(rows, first, length)
    out = _empty((len(first), length, len(sensors), num_channels), rows)
    if len(first) * length * rows[0].nbytes <= CACHED_BYTES:
        _columns(gather_all(rows, first, length).flatten(0, 1), sensors, out.flatten(0, 1))
    else:
        for start, window in zip(first.tolist(), out, strict=True):
            _columns(rows[start : start + length], sensors, window)
    return out


def gather_all(rows: Tensor, first: Tensor, length: int) -> Tensor:
    """``[N, S, C]`` to ``[B, length, S, C]``: the rows from each ``first`` on.

    Copying less than ``HUGE_BYTES`` takes less time than a busy machine lets a second thread wait:
    numpy copies in this one.
    """
    if rows.is_cpu and rows.is_contiguous() and len(first) * length * rows[0].nbytes < HUGE_BYTES:
        lines = rows.numpy()
        copied = _blocks(lines, length)[first.numpy()].view(lines.dtype)
        return torch.from_numpy(copied).view(len(first), length, *rows.shape[1:])
    if not rows.is_cpu:
        return _picked(rows, first, length)
    view = rows.unfold(0, length, 1).movedim(
        -1, 1
    )  # [N - length + 1, length, S, C], nothing copied yet
    return torch.index_select(view, 0, first, out=_empty((len(first), *view.shape[1:]), rows))


def of_channels(rows: Tensor, channels: Tensor) -> Tensor:
    """``[..., C]`` to ``[..., len(channels)]``: a view, without a copy, where they are a range.

    Channels are in main memory.
    """
    chosen = channel_range(channels)
    return rows[..., to_device(channels, rows.device) if chosen is None else chosen]


def channel_range(channels: Tensor) -> slice | None:
    """The channels as a range, where they are one."""
    numbers: list[int] = channels.tolist()
    low, high = numbers[0], numbers[-1] + 1
    return slice(low, high) if numbers == list(range(low, high)) else None


def _blocks(rows: np.ndarray, length: int) -> np.ndarray:
    """``[N, ...]`` to ``[N - length + 1]``: all windows where they lie, each one element of so many
    bytes, which numpy copies at once.
    """
    count, step = max(0, len(rows) - length + 1), rows[0].nbytes
    return np.ndarray((count,), np.dtype((np.void, length * step)), rows, strides=(step,))


def _picked(rows: Tensor, first: Tensor, length: int, sensors: Tensor | None = None) -> Tensor:
    """In one kernel, and without a look at rows or sensors, which would have to wait for the
    device.
    """
    lines = window_rows(first, length)
    return rows[lines] if sensors is None else rows[lines[..., None], sensors]


def window_rows(first: Tensor, length: int) -> Tensor:
    """``[B]`` to ``[B, length]``: the rows from each ``first`` on."""
    return first[:, None] + torch.arange(length, device=first.device)


def _columns(rows: Tensor, sensors: Tensor, out: Tensor) -> None:
    """``[R, S, C]`` to ``[R, K, C]``. torch is fast at single floats, numpy three times as fast at
    all else in main memory.
    """
    if rows.is_cpu and (rows.shape[2] > 1 or rows.dtype == torch.bool):
        np.take(rows.numpy(), sensors.numpy(), axis=1, out=out.numpy())
    else:
        torch.index_select(rows, 1, sensors, out=out)


def _empty(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Memory to be written, of the type of ``like`` and where it is."""
    if like.is_cpu and prod(shape) * like.element_size() >= HUGE_BYTES:
        return torch.from_numpy(
            np.empty(shape, np.bool_ if like.dtype == torch.bool else np.float32)
        )
    return like.new_empty(shape)
