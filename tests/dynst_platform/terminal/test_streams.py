"""Output that nobody reads to its end, or that finds no room, ends nothing that is computed."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from dynst_platform.terminal.lines import say
from dynst_platform.terminal.screen import Screen
from dynst_platform.terminal.streams import READER_GONE, reader_gone, standard_streams


def pipe_without_a_reader() -> io.TextIOWrapper:
    reading, writing = os.pipe()
    os.close(reading)
    return open(writing, "w", encoding="utf-8")


def always_full() -> io.TextIOWrapper:
    return Path("/dev/full").open("w", encoding="utf-8")


def printing(then: int = 0) -> None:
    """More than a pipe holds, in every way that commands print, to the end."""
    with standard_streams():
        for number in range(9000):
            say(f"line {number} {'x' * 20}")
        Screen().show("a paragraph")
        print("what a library prints")
        assert reader_gone()
        sys.exit(then)


@pytest.mark.parametrize(
    ("stream", "code"), [(pipe_without_a_reader, READER_GONE), (always_full, 1)]
)
def test_output_without_a_reader_or_room(
    stream: Callable[[], io.TextIOWrapper],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with stream() as output:
        monkeypatch.setattr(sys, "stdout", output)
        with pytest.raises(SystemExit) as end:
            printing()
    assert end.value.code == code
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert ("standard output cannot be written (No space left on device)" in said) == (code == 1)


@pytest.mark.parametrize("stream", [pipe_without_a_reader, always_full])
def test_errors_that_nobody_reads_change_nothing(
    stream: Callable[[], io.TextIOWrapper],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with stream() as errors:
        monkeypatch.setattr(sys, "stderr", errors)
        with standard_streams():
            for number in range(9000):
                say(f"progress {number}", err=True)
            Screen(stderr=True).show("more progress")
            say("the result")
    assert capsys.readouterr().out == "the result\n"


def test_an_end_with_a_code_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pipe_without_a_reader() as output:
        monkeypatch.setattr(sys, "stdout", output)
        with pytest.raises(SystemExit) as end:
            printing(then=3)
    assert end.value.code == 3


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_signs_that_a_stream_lacks_are_escaped(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    output = io.TextIOWrapper(written, encoding=encoding)
    monkeypatch.setattr(sys, "stdout", output)
    with standard_streams():
        say("● 20 °C × 3")
        Screen().show("● 20 °C × 3")
        click.echo("● 20 °C × 3")
    lines = written.getvalue().decode(encoding).splitlines()
    shown = {
        "ascii": r"\u25cf 20 \xb0C \xd7 3",
        "latin-1": r"\u25cf 20 °C × 3",
        "utf-8": "● 20 °C × 3",
    }
    assert lines == [shown[encoding]] * 3


def test_a_csv_goes_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    from dynst_platform.csv_files import write_csv

    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    with standard_streams():
        write_csv(sys.stdout, pd.DataFrame({"a°": [1.5]}))
    assert written.getvalue() == b"a\\xb0\n1.5\n"


CLOSED = """
import json, os, sys
os.close(1)
sys.stdout = None
from dynst_platform.terminal.streams import standard_streams
with standard_streams():
    print("nobody reads this")
    print(json.dumps(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)), file=sys.stderr)
"""


def test_a_closed_descriptor_is_given_to_no_file(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLOSED, str(tmp_path / "mlflow.db")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stderr) > 2
    assert (tmp_path / "mlflow.db").read_bytes() == b""
