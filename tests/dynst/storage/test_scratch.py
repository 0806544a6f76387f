"""Folders for what is not finished: locked while their process lives, and removed after it."""

import contextlib
import fcntl
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

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


def test_one_that_was_made_just_now_is_no_leftover(tmp_path: Path) -> None:
    """Another process has made it and has not locked it yet."""
    new, old, filled = (tmp_path / f"{MARK}{letter * 8}" for letter in "abc")
    for folder in (new, old, filled):
        folder.mkdir()
    (filled / "half").touch()
    os.utime(old, (1e9, 1e9))
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [new]


def test_one_that_is_removed_before_it_is_opened_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdtemp, made = tempfile.mkdtemp, []

    def another_is_faster(**named: Any) -> str:
        made.append(mkdtemp(**named))
        if len(made) == 1:
            os.rmdir(made[0])
        return made[-1]

    monkeypatch.setattr(scratch.tempfile, "mkdtemp", another_is_faster)
    with scratch_folder(tmp_path, "store") as folder:
        assert str(folder) == made[1]


MANY = """
import sys
from pathlib import Path
from dynst.storage.scratch import scratch_folder
for _ in range(300):
    with scratch_folder(Path(sys.argv[1])) as folder:
        (folder / "half").touch()
"""


def test_processes_at_once_take_no_folder_from_each_other(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MANY, str(tmp_path)]
    people = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    said = [person.communicate()[1] for person in people]
    assert said == [""] * 4, "nothing of a living process was taken for a leftover, or was gone"
    assert [person.returncode for person in people] == [0] * 4
