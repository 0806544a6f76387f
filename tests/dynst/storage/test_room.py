"""A full disk is known by whatever says it; files are whole or not there."""

import contextlib
import errno
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import save_file

from dynst.errors import DataError
from dynst.storage.files import replace_text, written_whole
from dynst.storage.room import is_full, names_what_is_full

FULL_DEVICE = Path("/dev/full")
on_linux = pytest.mark.skipif(not FULL_DEVICE.exists(), reason="no device that is always full")


@on_linux
@pytest.mark.parametrize(
    "write",
    [
        lambda: FULL_DEVICE.write_bytes(b"x"),
        lambda: np.zeros(2**16).tofile(FULL_DEVICE),
        lambda: pa.OSFile(str(FULL_DEVICE), "wb").write(b"x" * 2**16),
        lambda: torch.save({"a": torch.zeros(2**16)}, FULL_DEVICE),
    ],
)
def test_what_libraries_say_of_it(write: object) -> None:
    assert callable(write)
    with pytest.raises(Exception) as told:  # noqa: PT011 - of whatever class
        write()
    assert is_full(told.value)


def test_words_and_causes_count_and_others_do_not() -> None:
    assert is_full(OSError(errno.EDQUOT, "Disk quota exceeded"))
    hidden = RuntimeError("a worker failed")
    hidden.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert is_full(hidden)
    assert not is_full(FileNotFoundError(errno.ENOENT, "No such file"))
    hidden.__cause__, hidden.__suppress_context__ = None, True
    assert not is_full(hidden)


def test_safetensors_says_it_in_words(tmp_path: Path) -> None:
    with pytest.raises(Exception) as other:  # noqa: PT011 - of its own class
        save_file({"a": torch.zeros(1)}, tmp_path / "absent" / "x")
    said = str(other.value)
    assert not is_full(other.value)
    assert is_full(
        type(other.value)(
            said.replace(
                "No such file or directory (os error 2)", "No space left on device (os error 28)"
            )
        )
    )


def test_half_a_file_is_no_file(tmp_path: Path) -> None:
    target = tmp_path / "plan.csv"
    target.write_text("old")
    with contextlib.suppress(KeyError), written_whole(target) as draft:
        assert draft.suffix == ".csv"
        draft.write_text("ha")
        raise KeyError
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("plan.csv", "old")]
    with written_whole(target) as draft:
        draft.write_text("new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("plan.csv", "new")]


def test_a_link_stays_one_and_a_device_is_written_at_once(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    with written_whole(tmp_path / "link") as draft:
        draft.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    with written_whole(Path(os.devnull)) as draft:
        assert draft == Path(os.devnull)


def test_half_a_draft_takes_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str, encoding: str) -> None:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        replace_text(tmp_path / "delivered.json", "{}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "file"),
    [
        (OSError(28, "No space left on device"), "out.csv"),
        (OSError("60000 requested and 0 written"), "out.csv"),
        (OSError(28, "No space left on device", "another"), "another"),
        (PermissionError(13, "Permission denied"), None),
    ],
)
def test_the_file_is_named_where_the_system_names_none(error: OSError, file: str | None) -> None:
    with pytest.raises(OSError, match=r".") as raised, names_what_is_full(Path("out.csv")):
        raise error
    assert raised.value.filename == file


def test_an_error_of_ours_names_what_it_is_about_itself() -> None:
    with pytest.raises(DataError, match="no room"), names_what_is_full(Path("out.csv")):
        raise DataError("no room") from OSError(28, "No space left on device")
