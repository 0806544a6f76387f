"""A Ray of our own: where its sockets lie, and a start that fails."""

import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest

from dynst_platform.errors import RunError
from dynst_platform.execution import local_ray as module
from dynst_platform.execution.local_ray import IN_FOLDER, LONGEST_FOLDER, local_ray

LONGEST_SOCKET = 107  # of Linux


def started_with(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    given: dict[str, Any] = {}
    monkeypatch.setattr(module.ray, "init", lambda **options: given.update(options))
    monkeypatch.setattr(module, "_resources", lambda: "")
    with local_ray():
        pass
    return given


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_a_folder_that_is_too_long_for_sockets_is_not_used(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    for length, used in ((LONGEST_FOLDER, True), (LONGEST_FOLDER + 1, False)):
        folder = f"/{'x' * (length - 1)}"
        if variable == "TMPDIR":
            monkeypatch.setattr(tempfile, "tempdir", folder)
        else:
            monkeypatch.setenv(variable, folder)
        place = started_with(monkeypatch)["_temp_dir"]
        assert (place == f"{folder}/ray") == used
        assert len(place.removesuffix("/ray") + IN_FOLDER) <= LONGEST_SOCKET


def test_the_system_ends_a_sockets_path_there(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as plain, pytest.raises(OSError, match="too long"):
        plain.bind("/" + "x" * LONGEST_SOCKET)


@pytest.mark.parametrize(
    "error",
    [
        OSError("validate_socket_filename failed"),
        ValueError("the configured object store size exceeds /dev/shm"),
        Exception("The current node timed out during startup.\nThis could happen because …"),
    ],
)
def test_a_start_that_fails_is_one_sentence(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(**_: object) -> None:
        raise error

    monkeypatch.setattr(module.ray, "init", refuses)
    with (
        pytest.raises(RunError, match=r"Ray cannot be started on this machine .*num_workers=0$"),
        local_ray(),
    ):
        raise AssertionError
