"""What a worker leaves behind when its own code fails, and what it must leave to Ray Train."""

from pathlib import Path

import pytest
import torch.distributed as dist

from dynst_platform.execution.failure_file import LAST_WORDS, ends_at_once, last_words


def test_an_error_of_our_own_is_written_down_once_and_swallowed(tmp_path: Path) -> None:
    for reason in ("the first", "because of the first"):
        with ends_at_once(tmp_path):
            raise ValueError(reason)
    assert last_words(tmp_path) == "the first"
    assert [path.name for path in tmp_path.iterdir()] == [LAST_WORDS]
    assert "Traceback" in (tmp_path / LAST_WORDS).read_text()


def test_a_lost_peer_is_left_to_ray_train(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="closed by peer"), ends_at_once(tmp_path):
        raise RuntimeError("[gloo] Connection closed by peer")
    assert last_words(tmp_path) is None


def test_so_is_what_comes_of_a_group_that_was_taken_away(tmp_path: Path) -> None:
    """Ray Train ends the process group of workers that are to be replaced, whatever their code does at that moment."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    with pytest.raises(ValueError, match="has not been initialized"), ends_at_once(tmp_path):
        rank_after_the_end()
    assert last_words(tmp_path) is None


def rank_after_the_end() -> int:
    dist.destroy_process_group()
    return dist.get_rank()


def test_a_worker_that_died_while_it_wrote(tmp_path: Path) -> None:
    (tmp_path / LAST_WORDS).touch()
    assert last_words(tmp_path) == "a worker failed and died before it could say why"
