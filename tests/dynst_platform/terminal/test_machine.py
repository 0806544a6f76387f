"""What the machine lacks is one sentence with the remedy."""

import errno
import sys
import tempfile
from pathlib import Path

import pytest

from dynst.errors import ConfigError, DataError
from dynst_platform import main
from dynst_platform.config.thread_variables import usable_numbers
from dynst_platform.terminal import machine
from dynst_platform.terminal.machine import check_names, sentence_of
from tests.dynst_platform.command_line import dynst_here


def full(path: Path | str | None = None) -> OSError:
    return OSError(errno.ENOSPC, "No space left on device", *([str(path)] if path else []))


def test_a_full_disk_is_named_by_its_file(tmp_path: Path) -> None:
    sentence = str(sentence_of(full(tmp_path / "runs" / "reports.jsonl")))
    assert sentence.startswith(f"{tmp_path}/runs/reports.jsonl cannot be written, since no space")
    assert f"free at {tmp_path})" in sentence


def test_or_else_by_the_disks_that_have_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYNST_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", "/")
    frees = {str(tmp_path): 10, "/": 10**12, str(Path.cwd()): 10**12}

    class Usage:
        def __init__(self, folder: Path) -> None:
            self.free = frees[str(folder)]

    monkeypatch.setattr(machine.shutil, "disk_usage", Usage)
    assert f"no space is left (10 bytes free at {tmp_path})" in str(sentence_of(full()))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError(2, "No usable temporary directory found in ['/tmp']"), "set TMPDIR"),
        (MemoryError(), "no memory is left"),
        (OSError(errno.EROFS, "Read-only file system", "/x/y"), "/x/y cannot be used (Read-only"),
        (OSError(errno.EMFILE, "Too many open files", "/x/y"), "Too many open files"),
    ],
)
def test_other_things_that_a_machine_lacks(error: Exception, words: str) -> None:
    assert words in str(sentence_of(error))


def test_an_error_of_code_is_none_of_them() -> None:
    assert sentence_of(KeyError("x")) is None
    assert sentence_of(OSError("a library's own words")) is None


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_command_ends_with_it_and_exit_code_1(
    wrapped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it comes bare, or as the cause of an error that would be a user's."""

    def command(**_: object) -> None:
        try:
            raise full(tmp_path / "x")
        except OSError as error:
            if not wrapped:
                error.add_note("go on with: dynst train --resume RUN")
                raise
            raise DataError("the store cannot be written; make room") from error

    monkeypatch.setattr(main.cli, "main", command)
    done = dynst_here("compare", "x", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "make room" in done.stderr if wrapped else "--resume RUN" in done.stderr


def test_names_outside_the_encoding_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["dynst", "data", "describe", "caf\udce9"])
    with pytest.raises(ConfigError, match=r"names must be text in utf-8.*set PYTHONUTF8=1"):
        check_names()
    monkeypatch.setattr(sys, "argv", ["dynst", "compare", "größe"])
    check_names()
    monkeypatch.setenv("DYNST_HOME", str(tmp_path / "größe"))
    check_names()
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "iso8859-1")
    with pytest.raises(ConfigError, match=r"folders must have ASCII names, but .*größe has not"):
        check_names()


@pytest.mark.parametrize(
    ("given", "kept"),
    [("4", "4"), (" 4 ", "4"), ("4,2", "4"), ("", None), ("0", None), ("-1", None), ("abc", None),
     ("2.5", None), ("99999999999", None), ("²", None)],
)  # fmt: skip
def test_numbers_of_threads(given: str, kept: str | None) -> None:
    environment = {"OMP_NUM_THREADS": given, "NUMEXPR_MAX_THREADS": "8"}
    sentences = usable_numbers(environment)
    assert environment["NUMEXPR_MAX_THREADS"] == "8"
    if kept is not None or not given:
        assert (environment["OMP_NUM_THREADS"], sentences) == (kept or "", ())
    else:
        assert "OMP_NUM_THREADS" not in environment
        assert sentences == (
            f"OMP_NUM_THREADS must be a whole number from 1 to 4096, but is '{given}'; it is left "
            f"out",
        )


def test_what_was_left_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "LEFT_OUT", ("OMP_NUM_THREADS is left out",))
    assert "dynst: OMP_NUM_THREADS is left out" in dynst_here("--version", cwd=tmp_path).stderr
