"""What a submitted job brings along, and versions that are or are not as wanted."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import dynst_platform
from dynst_platform.config import submission_context as module
from dynst_platform.config.job_id import new_job_id, run_name
from dynst_platform.config.submission_context import SubmissionContext, write_context
from dynst_platform.execution.versions import differences, installed


def test_nothing_is_carried_where_nothing_was_submitted() -> None:
    assert module.submission_context() is None
    assert new_job_id() != "20260101-000000-ab12"


@pytest.mark.process
def test_variables_and_id_hold_in_every_process_of_the_job(tmp_path: Path) -> None:
    """The package is copied as it travels; a variable of the process gives way."""
    package = Path(dynst_platform.__file__).parent
    shutil.copytree(package, tmp_path / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    write_context(tmp_path, SubmissionContext("20260101-000000-ab12", {"PLANTED": "secret"}))
    code = (
        "import os; from dynst_platform.config.job_id import new_job_id; "
        "print(os.environ['PLANTED'], new_job_id())"
    )
    environment = {"PATH": os.environ["PATH"], "PLANTED": "before"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["secret", "20260101-000000-ab12"]


def test_it_is_readable_by_nobody_else(tmp_path: Path) -> None:
    write_context(tmp_path, SubmissionContext("id", {"A": "b"}, {"torch": "1"}))
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()) == {
        "job_id": "id",
        "environment": {"A": "b"},
        "versions": {"torch": "1"},
    }


def test_run_name_ends_as_the_job_does() -> None:
    assert run_name("sweep", "20260101-000000-ab12") == "sweep-ab12"


def test_versions_that_differ_are_named() -> None:
    here = installed()
    assert differences(here, here) == []
    assert "+" not in here["torch"]
    assert differences({"torch": "2.13.0", "ray": "2.60.0"}, {"torch": "2.12.0"}) == [
        "torch 2.12.0 instead of 2.13.0",
        "ray none instead of 2.60.0",
    ]
