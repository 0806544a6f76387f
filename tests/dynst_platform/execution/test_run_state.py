"""A job's position between ranks: what one of them does where another one has failed."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import Tensor

from dynst.distributed.world import World
from dynst.training.checkpoint_store import Checkpoints
from dynst.training.config import Recipe
from dynst_platform.execution.run_state import ResumableRun
from tests.dynst_platform.reports import arm_end


@dataclass(frozen=True)
class LostPeer(World):
    """The second of two ranks; the first has closed its connections."""

    rank: int = 1
    size: int = 2

    def all_reduce(self, value: Tensor) -> Tensor:
        raise RuntimeError("Connection closed by peer")


def run_of(folder: Path, told: list[Any], world: World) -> ResumableRun:
    return ResumableRun(Checkpoints(str(folder), {}), Recipe(), told.append, world)


def test_nothing_is_told_where_another_rank_has_failed(tmp_path: Path) -> None:
    """Ray Train collects a report from every rank before it goes on, and waits for them without
    end.
    """
    told: list[Any] = []
    run = run_of(tmp_path, told, LostPeer())
    with pytest.raises(RuntimeError, match="closed by peer"):
        run.report(arm_end())
    assert told == []


def test_nor_is_anything_told_again(tmp_path: Path) -> None:
    run_of(tmp_path, [], World()).end(SimpleNamespace(name="dense"), arm_end())
    told: list[Any] = []
    with pytest.raises(RuntimeError, match="closed by peer"):
        run_of(tmp_path, told, LostPeer())
    assert told == []


def test_a_report_keeps_the_moment_at_which_it_was_made(tmp_path: Path) -> None:
    first: list[Any] = []
    run_of(tmp_path, first, World()).end(SimpleNamespace(name="dense"), arm_end())
    again: list[Any] = []
    run_of(tmp_path, again, World())
    assert again == first
    assert first[0].time > 1_600_000_000_000
