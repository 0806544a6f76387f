"""A figure that finds no room: the training goes on, and a command for the figure alone says it."""

import errno
from pathlib import Path
from typing import Any

import pytest

from dynst.data.store import SensorStore
from dynst_platform.plots import figures, masks
from dynst_platform.plots.figures import drawn
from dynst_platform.plots.html_report import NO_ROOM, picture_of
from tests.dynst_platform.command_line import dynst_here


@pytest.fixture(autouse=True)
def _full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "replace_text", full)


def full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_nothing_is_left_of_it_and_nothing_is_raised(tmp_path: Path) -> None:
    assert not drawn(tmp_path / "map.png", full).exists()
    assert list(tmp_path.iterdir()) == []
    assert picture_of(full) == NO_ROOM


def test_a_picture_that_was_asked_for_is_missed(
    tmp_path: Path, network: SensorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masks, "draw_store", full)
    done = dynst_here("data", "describe", network.path, "--picture", "map.png", cwd=tmp_path)
    assert done.returncode == 1
    assert "map.png cannot be written, since no space is left" in done.stderr
