"""A Ray of our own: where its sockets lie, when it starts and ends, and a start that fails."""

import signal
import socket
import tempfile
from pathlib import Path

import psutil
import pytest

from dynst_platform.errors import RunError
from dynst_platform.execution import local_ray as attaching
from dynst_platform.execution import ray_process as module
from dynst_platform.execution.local_ray import local_ray
from dynst_platform.execution.ray_head import IN_FOLDER, LONGEST_FOLDER, settings
from dynst_platform.execution.ray_process import begun_early
from tests.waiting import wait_until

LONGEST_SOCKET = 107  # of Linux


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_a_folder_that_is_too_long_for_sockets_is_not_used(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    for length, used in ((LONGEST_FOLDER, True), (LONGEST_FOLDER + 1, False)):
        folder = f"/{'x' * (length - 1)}"
        if variable == "TMPDIR":
            monkeypatch.setattr(tempfile, "tempdir", folder)
        else:
            monkeypatch.setenv(variable, folder)
        place = settings()["_temp_dir"]
        assert (place == f"{folder}/ray") == used
        assert len(place.removesuffix("/ray") + IN_FOLDER) <= LONGEST_SOCKET


def test_the_system_ends_a_sockets_path_there(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as plain, pytest.raises(OSError, match="too long"):
        plain.bind("/" + "x" * LONGEST_SOCKET)


@pytest.mark.process
def test_a_start_that_fails_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = "The current node timed out during startup.\nThis could happen because …"
    monkeypatch.setattr(module, "HEAD", "tests.dynst_platform.execution.failing_head")
    monkeypatch.setenv("REFUSAL", refusal)
    with (
        pytest.raises(
            RunError,
            match=r"Ray cannot be started on this machine \(The current node timed out during "
            r"startup\..*ray and to free memory, .*num_workers=0$",
        ),
        local_ray(),
    ):
        raise AssertionError


@pytest.mark.process
def test_a_process_that_ends_before_its_ray_runs_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "HEAD", "no.such.module")
    with pytest.raises(RunError, match=r"\(its process ended\).*num_workers=0$"), local_ray():
        raise AssertionError


class FakeProcess:
    """Counts what becomes of it."""

    made: list["FakeProcess"]

    def __init__(self, dashboard: bool = False) -> None:
        self.made.append(self)
        self.ended, self.dashboard = 0, dashboard

    def address(self) -> str:
        return "127.0.0.1:1"

    def end(self) -> None:
        self.ended += 1


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[FakeProcess]:
    FakeProcess.made = []
    monkeypatch.setattr(module, "RayProcess", FakeProcess)
    monkeypatch.setattr(attaching.ray, "init", lambda **options: None)
    monkeypatch.setattr(attaching.ray, "shutdown", lambda: None)
    monkeypatch.setattr(attaching, "_resources", lambda: "")
    return FakeProcess.made


def test_a_ray_that_was_begun_early_is_the_one_that_is_used_once(made: list[FakeProcess]) -> None:
    with begun_early(True):
        assert len(made) == 1
        for number in (1, 2):
            with local_ray():
                assert len(made) == number
                assert not made[-1].ended
            assert [process.ended for process in made] == [1] * number
    assert [process.ended for process in made] == [1, 1]


def test_a_ray_that_nobody_used_ends_with_the_block(made: list[FakeProcess]) -> None:
    with pytest.raises(ValueError, match="wrong job"), begun_early(True):
        raise ValueError("wrong job")
    assert [process.ended for process in made] == [1]


def test_none_is_begun_where_none_is_wanted_nor_one_without_pages_used_with_them(
    made: list[FakeProcess],
) -> None:
    with begun_early(False):
        assert not made
    with begun_early(True), local_ray(dashboard=True):
        assert [process.dashboard for process in made] == [False, True]
    assert [process.ended for process in made] == [1, 1]


@pytest.mark.process
def test_a_refusal_waits_for_no_ray_and_leaves_no_process() -> None:
    with begun_early(True):
        head = psutil.Process(module._early[0]._process.pid)
        wait_until("Ray's first process", head.children)
        started = [head, *head.children(recursive=True)]
    assert not _runs(head)
    wait_until("their end", lambda: not any(map(_runs, started)))


@pytest.mark.process
def test_signals_do_not_reach_the_process_and_its_end_does() -> None:
    with begun_early(True):
        process = module._early[0]._process
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            process.send_signal(number)
        assert module._early[0].address()
        assert process.poll() is None
        started = psutil.Process(process.pid).children(recursive=True)
        assert {"raylet", "gcs_server"} <= {child.name() for child in started}
    assert process.returncode == 0
    wait_until("their end", lambda: not any(map(_runs, started)))


def _runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
