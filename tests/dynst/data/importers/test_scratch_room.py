"""Arrays on disk have their room before they are filled: a mapped page without any ends a process
without a word.
"""

import errno
import os

import numpy as np
import pytest

from dynst.data.importers.long_form import scratch
from dynst.data.importers.long_form.scratch import Keys, Scratch


def test_the_room_is_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    allocate = os.posix_fallocate

    def counted(file: int, start: int, length: int) -> None:
        asked.append(length)
        allocate(file, start, length)

    monkeypatch.setattr(scratch.os, "posix_fallocate", counted)
    with Scratch(np.arange(4), (4, 3, 2)) as filling:
        ((_, values),) = filling.blocks()
        assert np.isnan(values).all()
    with Keys(0) as keys:
        assert keys.twice() is None
    assert asked == [8 * 4 * 3 * 2, 8]


def test_a_full_disk_is_an_error_and_no_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(scratch.os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        Scratch(np.arange(4), (4, 3, 2)).__enter__()
