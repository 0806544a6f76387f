"""The columns of sensors that stay, copied once instead of for every batch."""

import torch
from torch import Tensor

from dynst.data.gather import gather, gather_all

__all__ = ["KeptColumns"]

MOST_BYTES = 2**28  # of a copy, beside the series


class KeptColumns:
    """Serves windows of a series, in main memory or on a device.

    Choosing columns costs several times as much as copying them. Once the same sensors have been
    read as often as a copy of their columns takes, that copy is made, and serves them until other
    sensors are read. Sensors that change with every batch are never copied.

    Args:
        rows: ``[N, S, C]``, which do not change.
    """

    def __init__(self, rows: Tensor) -> None:
        self._rows = rows
        self._sensors = torch.empty(0, dtype=torch.long)
        self._read = 0  # rows, of these sensors
        self._columns: Tensor | None = None  # [N, K, C]

    def gather(self, first: Tensor, length: int, sensors: Tensor) -> Tensor:
        """``[B, length, K, C]``, as ``gather`` gives them: not a byte is another."""
        if self._rows.is_cpu and 0 < len(sensors) < self._rows.shape[1]:
            self._note(sensors, len(first) * length)
            if self._columns is not None:
                return gather_all(self._columns, first, length)
        return gather(self._rows, first, length, sensors)

    def _note(self, sensors: Tensor, num_rows: int) -> None:
        if not torch.equal(sensors, self._sensors):
            self._sensors, self._read, self._columns = sensors.clone(), 0, None
        self._read += num_rows
        if self._columns is None and self._read >= len(self._rows) and self._fits(sensors):
            self._columns = self._rows.index_select(1, sensors)

    def _fits(self, sensors: Tensor) -> bool:
        return self._rows.nbytes // self._rows.shape[1] * len(sensors) <= MOST_BYTES
