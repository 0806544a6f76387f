"""A disk that fills up under a training: one sentence, the command that goes on, and nothing lost.

The network trains in this process and MLflow is not asked.
"""

import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dynst.data.store import SensorStore
from dynst.training.checkpoint_store import Checkpoints
from dynst_platform.execution import worker
from dynst_platform.tracking import line_file
from tests.dynst_platform.command_line import JOB, dynst_here

FEW = ("references.random=0", "references.dense=false", "training.epochs=3", "sparsity.rounds=2")
KINDS: dict[str, tuple[Any, str]] = {
    "a checkpoint": (Checkpoints, "_write"),
    "a report": (line_file, "_append"),
    "the model": (worker, "save_arm"),
}


def trained(cwd: Path, *words: str | Path) -> Any:
    sets = [word for each in FEW for word in ("--set", each)]
    return dynst_here(
        "train", *words, *(sets if "--resume" not in words else []), "--offline", "--quiet",
        "--format", "json", cwd=cwd,
    )  # fmt: skip


def full_from(number: int, write: Callable[..., Any]) -> Callable[..., Any]:
    """``write`` until the disk is full, which it stays."""
    calls = 0

    def until_full(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls >= number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(*given, **named)

    return until_full


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, network: SensorStore) -> Any:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "job.yaml").write_text(JOB.format(store=network.path))
    return result(trained(folder, "job.yaml"))


def result(done: Any) -> tuple[Any, bytes]:
    """What a training found, and its weights."""
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    weights = Path(outcome["artifacts"]["model"]) / "weights.safetensors"
    return (outcome["sensors"], outcome["metrics"]), weights.read_bytes()


@pytest.mark.parametrize(
    ("what", "number"), [("a checkpoint", 3), ("a report", 1), ("a report", 3), ("the model", 1)]
)
def test_it_goes_on_once_there_is_room(
    what: str, number: int, tmp_path: Path, network: SensorStore, undisturbed: Any
) -> None:
    (tmp_path / "job.yaml").write_text(JOB.format(store=network.path))
    place, name = KINDS[what]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, name, full_from(number, getattr(place, name)))
        done = trained(tmp_path, "job.yaml")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert re.search("no space is left.*free", done.stderr)
    (command,) = re.findall("go on with: dynst train (--resume .*)", done.stderr)
    assert result(trained(tmp_path, *command.split())) == undisturbed


def test_a_note_of_the_end_that_finds_no_room_hides_nothing(
    tmp_path: Path, network: SensorStore, monkeypatch: pytest.MonkeyPatch, undisturbed: Any
) -> None:
    """What failed first is what is said."""
    (tmp_path / "job.yaml").write_text(JOB.format(store=network.path))
    with monkeypatch.context() as patch:
        write, full = Path.write_text, full_from(1, Path.write_text)

        def full_too(*given: Any, **named: Any) -> None:
            patch.setattr(Path, "write_text", full)
            full(*given, **named)

        patch.setattr(Checkpoints, "_write", full_too)
        done = trained(tmp_path, "job.yaml")
    assert Path.write_text is write
    assert (done.returncode, "checkpoints at" in done.stderr) == (1, True)
    (command,) = re.findall("go on with: dynst train (--resume .*)", done.stderr)
    assert result(trained(tmp_path, *command.split())) == undisturbed
