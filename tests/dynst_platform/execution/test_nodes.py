"""What is said of a node on which a job cannot run."""

from dataclasses import replace
from pathlib import Path

import pytest

from dynst_platform.execution.nodes import NodeFacts, facts_here, refusal
from dynst_platform.execution.versions import installed

GOOD = NodeFacts("worker-1", installed(), [], "", 10_000.0, 0.0)
HOME = Path("/shared/dynst")


def sentences(facts: NodeFacts) -> list[str]:
    return list(refusal([GOOD, facts], installed(), HOME))


def test_nodes_as_they_should_be() -> None:
    assert sentences(GOOD) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"versions": installed() | {"torch": "2.0.0"}},
            "node worker-1 has torch 2.0.0 instead of",
        ),
        ({"unseen": ["/data/store"]}, "node worker-1 does not see /data/store; mount the folder"),
        (
            {"home_error": "Read-only file system"},
            "node worker-1 cannot write to /shared/dynst (Read-only file system); mount it",
        ),
        (
            {"free_mib": 12.0},
            "node worker-1 has 12 MiB left at /shared/dynst, but a run needs at least 256; make "
            "room",
        ),
    ],
)
def test_each_thing_that_is_wrong_is_one_sentence(change: dict[str, object], sentence: str) -> None:
    (said,) = sentences(replace(GOOD, **change))  # type: ignore[arg-type]
    assert said.startswith(sentence)


def test_how_much_room_there_must_be_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNST_MIN_FREE_MIB", "20000")
    assert [said.split(" has ")[0] for said in sentences(GOOD)] == ["node worker-1"] * 2


def test_facts_of_this_machine(tmp_path: Path) -> None:
    found = facts_here(
        "here",
        str(tmp_path),
        [str(tmp_path), str(tmp_path / "absent")],
        0.0,
        lambda: {"more": "facts"},
    )
    assert found.unseen == [str(tmp_path / "absent")]
    assert found.home_error == ""
    assert found.free_mib > 0
    assert found.extra == {"more": "facts"}
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert facts_here("here", str(tmp_path / "file" / "home"), [], 0.0, None).home_error in (
        "Not a directory",
        "File exists",
    )
