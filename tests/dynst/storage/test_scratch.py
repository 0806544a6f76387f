"""Folders for what is not finished: locked while their process lives, and removed after it."""

import contextlib
import fcntl
import logging
import os
import shutil
from pathlib import Path

import pytest

from dynst.notices import NOTICES, notice
from dynst.storage import scratch
from dynst.storage.scratch import MARK, remove_leftovers, scratch_folder


@pytest.fixture(autouse=True)
def _anew() -> None:
    notice.cache_clear()


def left_by_a_killed_process(place: Path, name: str = "store") -> Path:
    """A folder as a process leaves it that ends without another word."""
    child = os.fork()
    if child == 0:  # pragma: no cover
        with scratch_folder(place, name):
            os._exit(0)
    os.waitpid(child, 0)
    (found,) = place.glob(f".{name}.{MARK}*")
    (found / "half").write_bytes(b"written")
    return found


def test_it_is_gone_at_the_end_and_after_an_error(tmp_path: Path) -> None:
    with contextlib.suppress(KeyError), scratch_folder(tmp_path, "store") as folder:
        (folder / "half").touch()
        assert folder.parent == tmp_path
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_what_was_renamed_stays(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, "store") as folder:
        (folder / "whole").touch()
        folder.rename(tmp_path / "store")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_what_a_killed_process_left_is_removed_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    left = left_by_a_killed_process(tmp_path)
    with caplog.at_level(logging.WARNING, NOTICES), scratch_folder(tmp_path, "other"):
        assert not left.exists()
    assert f"removed from {tmp_path} what a killed process left: {left.name}" in caplog.text


def test_that_of_a_process_that_lives_stays(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, "store") as folder:
        child = os.fork()
        if child == 0:  # pragma: no cover
            os.closerange(3, 64)  # the lock of its parent among them
            remove_leftovers(tmp_path)
            os._exit(0)
        os.waitpid(child, 0)
        assert folder.is_dir()


def test_a_users_own_folders_are_left_alone(tmp_path: Path) -> None:
    names = [".store.backup", "dynst-scratch-", f"my{MARK}abcdefgh", f"{MARK}notes", "dynst-code-x"]
    for name in names:
        (tmp_path / name).mkdir()
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_links_and_other_users_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (tmp_path / f"{MARK}abcdefgh").symlink_to(theirs)
    (tmp_path / f"{MARK}ijklmnop").mkdir()
    monkeypatch.setattr(scratch.os, "geteuid", lambda: 4711)
    remove_leftovers(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_one_that_is_taken_for_a_leftover_before_it_is_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, taken = fcntl.flock, []

    def another_is_faster(number: int, how: int) -> None:
        if not taken:
            taken.extend(tmp_path.iterdir())
            shutil.rmtree(taken[0])
        lock(number, how)

    monkeypatch.setattr(scratch.fcntl, "flock", another_is_faster)
    with scratch_folder(tmp_path, "store") as folder:
        assert folder.is_dir()
        assert folder not in taken


def test_a_file_system_without_locks_loses_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> None:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(scratch.fcntl, "flock", unknown)
    with scratch_folder(tmp_path, "one") as one, scratch_folder(tmp_path, "two") as two:
        assert one.is_dir()
        assert two.is_dir()
