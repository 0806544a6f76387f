"""What a worker leaves behind when its own code fails, and what it must leave to Ray Train."""

from pathlib import Path

import pytest
import torch.distributed as dist

from dynst.errors import CheckpointError
from dynst_platform.execution import failure_file
from dynst_platform.execution.failure_file import (
    FAILURE_FILE,
    RESERVE,
    RESERVED,
    read_failure,
    record_failure,
    room_for_failure,
)


def test_an_error_of_our_own_is_written_down_once_and_swallowed(tmp_path: Path) -> None:
    for reason in ("the first", "because of the first"):
        with record_failure(tmp_path):
            raise ValueError(reason)
    assert read_failure(tmp_path) == "the first"
    assert [path.name for path in tmp_path.iterdir()] == [FAILURE_FILE]
    assert "Traceback" in (tmp_path / FAILURE_FILE).read_text()


def test_a_lost_peer_is_left_to_ray_train(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="closed by peer"), record_failure(tmp_path):
        raise RuntimeError("[gloo] Connection closed by peer")
    assert read_failure(tmp_path) is None


def test_so_is_what_comes_of_a_group_that_was_taken_away(tmp_path: Path) -> None:
    """Ray Train ends the process group of workers that are to be replaced, whatever their code does
    at that moment.
    """
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    with pytest.raises(ValueError, match="has not been initialized"), record_failure(tmp_path):
        rank_after_the_end()
    assert read_failure(tmp_path) is None


def rank_after_the_end() -> int:
    dist.destroy_process_group()
    return dist.get_rank()


def test_a_worker_that_died_while_it_wrote(tmp_path: Path) -> None:
    (tmp_path / FAILURE_FILE).touch()
    assert read_failure(tmp_path) == "a worker failed and died before it could say why"


def test_a_full_disk_has_room_to_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The room that was kept is given back first; afterwards nothing of it is left."""
    write = failure_file._write_new

    def full(path: Path, reason: str) -> None:
        if (tmp_path / RESERVE).exists():
            path.touch()
            raise OSError(28, "No space left on device")
        path.unlink(missing_ok=True)
        write(path, reason)

    monkeypatch.setattr(failure_file, "_write_new", full)
    with room_for_failure(tmp_path):
        assert (tmp_path / RESERVE).stat().st_size == RESERVED
        with record_failure(tmp_path):
            raise CheckpointError("no space is left there")
    assert read_failure(tmp_path) == "no space is left there"
    assert [path.name for path in tmp_path.iterdir()] == [FAILURE_FILE]
