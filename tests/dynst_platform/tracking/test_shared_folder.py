"""Copies of runs: whole at any moment, the same after a fetch, and their owner's alone."""

from pathlib import Path
from threading import Event
from typing import Any

import pytest

from dynst.errors import ConfigError
from dynst_platform.errors import BusyError, StorageError
from dynst_platform.tracking import lease, shared_folder
from dynst_platform.tracking.cursor import folder_lock
from dynst_platform.tracking.folders import Work, kept_copy, working_folder
from dynst_platform.tracking.lease import leased
from dynst_platform.tracking.line_file import append_line
from dynst_platform.tracking.report_file import REPORTS
from dynst_platform.tracking.shared_folder import ALONE, SharedFolder, begin_shared, fetched_run


@pytest.fixture
def here(tmp_path: Path) -> SharedFolder:
    (tmp_path / "here").mkdir()
    return SharedFolder(tmp_path / "here", str(tmp_path / "copy"))


def elsewhere(here: SharedFolder, name: str = "elsewhere") -> SharedFolder:
    return SharedFolder(here.folder.parent / name, here.address)


def test_files_and_folders_come_back_as_they_were(here: SharedFolder) -> None:
    (here.folder / "job.yaml").write_text("name: x")
    (here.folder / "models" / "dynst" / "deep").mkdir(parents=True)
    (here.folder / "models" / "dynst" / "deep" / "weights").write_bytes(b"\0\1")
    here.put(here.folder / "job.yaml")
    here.put(here.folder / "models" / "dynst")
    there = elsewhere(here)
    assert there.fetch_all()
    assert (there.folder / "job.yaml").read_text() == "name: x"
    assert (there.folder / "models" / "dynst" / "deep" / "weights").read_bytes() == b"\0\1"
    assert here.names() == ["job.yaml", "models/dynst.tar"], "no drafts"


def test_a_growing_file_is_copied_before_it_is_written(
    here: SharedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the sizes of lines and objects; the last line was copied and not written."""
    monkeypatch.setattr(shared_folder, "PART", 16)
    path = here.folder / REPORTS
    for number in range(9):
        append_line(path, {"number": "x" * number * 4}, here)
        there = elsewhere(here, f"there-{number}")
        there.fetch_all()
        assert (there.folder / REPORTS).read_bytes() == path.read_bytes()
    monkeypatch.setattr(SharedFolder, "append", die_after(SharedFolder.append))
    with pytest.raises(Killed):
        append_line(path, {"last": True}, here)
    last = elsewhere(here, "last")
    last.fetch_all()
    assert (last.folder / REPORTS).read_bytes() == path.read_bytes() + b'{"last": true}\n'


class Killed(BaseException):
    pass


def die_after(call: Any) -> Any:
    def calls(*arguments: Any) -> None:
        call(*arguments)
        raise Killed

    return calls


def test_a_torn_object_of_a_growing_file_is_mended(
    here: SharedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process died between two objects of one line."""
    monkeypatch.setattr(shared_folder, "PART", 8)
    append_line(here.folder / REPORTS, {"a": 1}, here)
    write = SharedFolder._write
    monkeypatch.setattr(SharedFolder, "_write", die_after(write))
    with pytest.raises(Killed):
        append_line(here.folder / REPORTS, {"long": "x" * 30}, here)
    monkeypatch.setattr(SharedFolder, "_write", write)
    there = elsewhere(here)
    there.fetch_all()
    append_line(there.folder / REPORTS, {"b": 2}, there)
    again = elsewhere(here, "again")
    again.fetch_all()
    assert (again.folder / REPORTS).read_text().splitlines() == ['{"a": 1}', '{"b": 2}']


def test_a_line_that_cannot_be_copied_is_not_written(
    here: SharedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        shared_folder, "replace_object", lambda *_: (_ for _ in ()).throw(OSError("No space left"))
    )
    with pytest.raises(StorageError, match=r"copy of a run in .*copy cannot be .*: no space is"):
        append_line(here.folder / REPORTS, {"a": 1}, here)
    assert (here.folder / REPORTS).read_bytes() == b""


def test_names_that_lead_outside_are_refused(here: SharedFolder) -> None:
    with pytest.raises(StorageError, match=r"holds '\.\./x', which is outside"):
        here._place("../x", b"")


def test_without_a_storage_nothing_is_done(tmp_path: Path, own_home: Path) -> None:
    alone = SharedFolder(tmp_path / "run", None)
    alone.put(tmp_path / "absent")
    assert not alone.fetch_all()
    assert begin_shared(own_home / "x" / "y").address is None
    assert not own_home.exists()
    assert fetched_run("x/y") is None
    assert ALONE.read(Path("x")) is None


def test_a_storage_with_credentials_is_refused(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYNST_STORAGE", "s3://key:secret@bucket/runs")
    with pytest.raises(ConfigError, match="DYNST_STORAGE must be an address without cred"):
        begin_shared(own_home / "x" / "y")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"EXPIRES": 0.3, "RENEWED": 0.02, "LOOK": 0.05, "SETTLES": 0.0}.items():
        monkeypatch.setattr(lease, name, seconds)


@pytest.mark.usefixtures("quick")
def test_one_process_at_a_time_on_all_machines(here: SharedFolder) -> None:
    with (
        leased(here),
        pytest.raises(BusyError, match=r"belongs to process \d+ on .*wait for its"),
        leased(elsewhere(here)),
    ):
        pass
    with leased(elsewhere(here)):
        assert here.names() == []
    assert not list(Path(str(here.address)).rglob(".lease"))


@pytest.mark.usefixtures("quick")
def test_the_lease_of_a_process_that_died_is_taken_over(here: SharedFolder) -> None:
    here.put_text(here.folder / ".lease", '{"who": "process 7 on gone"}')
    with leased(here):
        assert b"gone" not in (here.read(here.folder / ".lease") or b"")


@pytest.mark.usefixtures("quick")
def test_whoever_lost_its_lease_ends(here: SharedFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = Event()
    monkeypatch.setattr(lease, "interrupt_main", ended.set)
    with leased(here):
        monkeypatch.setattr(lease._Lease, "held", lambda self: False)
        ended.wait()
    assert here.read(here.folder / ".lease") is not None, "it is the other's"


@pytest.mark.usefixtures("quick")
def test_the_lock_of_a_folder_holds_in_its_copy(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYNST_STORAGE", str(tmp_path / "storage"))
    folder = own_home / "x" / "y"
    begin_shared(folder)
    with folder_lock(folder):
        assert (tmp_path / "storage" / "x" / "y" / ".lease").is_file()
    assert not (tmp_path / "storage" / "x" / "y" / ".lease").exists()


@pytest.mark.usefixtures("quick")
def test_a_start_that_is_refused_leaves_no_copy(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYNST_STORAGE", str(tmp_path / "storage"))
    folder = own_home / "x" / "y"
    for begins in (False, True):
        with pytest.raises(ConfigError), working_folder(folder) as work:
            filled(folder, work, begins)
        assert folder.exists() == begins
        assert (tmp_path / "storage" / "x" / "y" / "job.yaml").exists() == begins


def filled(folder: Path, work: Work, begins: bool) -> None:
    with kept_copy(folder, work) as shared:
        shared.put_text(folder / "job.yaml", "name: x")
        assert shared.exists(folder / ".lease")
        if begins:
            work.begin()
        raise ConfigError("refused")
