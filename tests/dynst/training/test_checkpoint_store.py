"""Checkpoint files: what is written comes back, and what is not whole, or of another job, does
not.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from dynst.errors import CheckpointError
from dynst.random_streams import STREAMS
from dynst.training.checkpoint_format import differences, pack, unpack
from dynst.training.checkpoint_store import Checkpoints

SPEC: dict[str, Any] = {
    "name": "job",
    "training": {"epochs": 12, "clip": None},
    "split": [0.7, 0.1, 0.2],
}


def state(number: int) -> dict:
    nested = {"step": number, "rates": [(0.1, True)], "none": None, "name": "x"}
    return {
        "weights": torch.arange(3) / (number + 1),
        "on": torch.tensor([True, False]),
        "nested": nested,
    }


def numbers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=["path", "uri"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    folder = tmp_path / "with space" / "checkpoints"
    return (
        str(folder) if request.param == "path" else (tmp_path / "bucket" / "checkpoints").as_uri()
    )


def test_the_newest_comes_back_bit_for_bit(address: str) -> None:
    for number in range(3):
        Checkpoints(address, SPEC).save(state(number))
    found = Checkpoints(address, SPEC).load()
    assert found is not None
    assert found.name == "00000003.ckpt"
    assert found.damaged == ()
    assert torch.equal(found.state["weights"], state(2)["weights"])
    assert torch.equal(found.state["on"], state(2)["on"])
    assert found.state["nested"] == state(2)["nested"]


def test_nothing_is_found_where_nothing_was_saved(address: str) -> None:
    assert Checkpoints(address, SPEC).load() is None


def test_the_last_few_and_the_best_stay_and_no_draft(tmp_path: Path) -> None:
    kept = Checkpoints(str(tmp_path), SPEC, keep=2)
    for number in range(5):
        kept.save(state(number), best=number == 1)
    assert numbers(tmp_path) == ["00000004.ckpt", "00000005.ckpt", "best.ckpt"]
    assert unpack((tmp_path / "best.ckpt").read_bytes(), SPEC, "best").state["nested"]["step"] == 1


@pytest.mark.parametrize("cut", [0, 5, 200, -1])
def test_a_cut_file_is_passed_over_and_said(tmp_path: Path, cut: int) -> None:
    kept = Checkpoints(str(tmp_path), SPEC)
    for number in range(2):
        kept.save(state(number))
    whole = (tmp_path / "00000002.ckpt").read_bytes()
    (tmp_path / "00000002.ckpt").write_bytes(whole[:cut])
    found = kept.load()
    assert found is not None
    assert found.state["nested"]["step"] == 0
    assert len(found.damaged) == 1
    assert "00000002.ckpt is damaged" in found.damaged[0]


def test_one_wrong_bit_anywhere_is_noticed() -> None:
    """In the settings, in the tensors: everything after the first line is under its checksum."""
    whole = bytearray(pack(state(0), SPEC))
    for place in range(whole.index(b"\n") + 1, len(whole), 97):
        whole[place] ^= 1
        with pytest.raises(CheckpointError, match="is damaged"):
            unpack(bytes(whole), SPEC, "it")
        whole[place] ^= 1
    assert unpack(bytes(whole), SPEC, "it").state["nested"] == state(0)["nested"]


def test_the_best_is_the_last_resort(tmp_path: Path) -> None:
    kept = Checkpoints(str(tmp_path), SPEC)
    for number in range(3):
        kept.save(state(number), best=number == 0)
    for name in ("00000002.ckpt", "00000003.ckpt"):
        (tmp_path / name).write_bytes(b"")
    found = kept.load()
    assert found is not None
    assert (found.name, len(found.damaged)) == ("best.ckpt", 2)


def test_only_damaged_ones_are_an_error(tmp_path: Path) -> None:
    kept = Checkpoints(str(tmp_path), SPEC)
    kept.save(state(0))
    (tmp_path / "00000001.ckpt").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* can be used"):
        kept.load()


def test_a_checkpoint_after_a_damaged_one_takes_the_next_number(tmp_path: Path) -> None:
    kept = Checkpoints(str(tmp_path), SPEC)
    kept.save(state(0))
    (tmp_path / "00000001.ckpt").write_bytes(b"nonsense")
    kept.save(state(1))
    found = kept.load()
    assert found is not None
    assert (found.name, found.state["nested"]["step"]) == ("00000002.ckpt", 1)


def test_other_settings_are_refused_with_what_differs(tmp_path: Path) -> None:
    Checkpoints(str(tmp_path), SPEC).save(state(0))
    other = SPEC | {"training": {"epochs": 20, "clip": 5.0}}
    with pytest.raises(
        CheckpointError,
        match=r"training\.epochs: 12 in the checkpoint, 20 in the job; training\.clip: null in",
    ):
        Checkpoints(str(tmp_path), other).load()


def test_differences_name_every_dotted_key() -> None:
    assert differences({"a": {"b": 1}, "gone": 2}, {"a": {"b": 1}, "new": {"x": [1]}}) == [
        "gone: 2 in the checkpoint, nothing in the job",
        "new.x: nothing in the checkpoint, [1] in the job",
    ]
    assert differences(SPEC, SPEC) == []


def test_another_version_is_refused(tmp_path: Path) -> None:
    Checkpoints(str(tmp_path), SPEC).save(state(0))
    path = tmp_path / "00000001.ckpt"
    path.write_bytes(path.read_bytes().replace(b'"version": 1', b'"version": 7', 1))
    with pytest.raises(
        CheckpointError, match="must be of checkpoint version 1, but is of version 7"
    ):
        Checkpoints(str(tmp_path), SPEC).load()


def test_an_address_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match="cannot be read or written"):
        Checkpoints(str(tmp_path / "file" / "deeper"), SPEC).save(state(0))
    with pytest.raises(CheckpointError, match="check address"):
        Checkpoints("nowhere://bucket/checkpoints", SPEC)


def test_a_setting_that_did_not_exist_yet_had_its_default(tmp_path: Path) -> None:
    """A run that an earlier DynST began goes on, unless the new setting says otherwise."""
    Checkpoints(str(tmp_path), SPEC).save(state(0))

    def upgraded(was: Mapping[str, Any]) -> Mapping[str, Any]:
        later = {"training": was["training"] | {"later": {"deep": 3}}, "search": {"rounds": 12}}
        return {**was, **later}

    now = SPEC | {"training": SPEC["training"] | {"later": {"deep": 3}}, "search": {"rounds": 12}}
    assert Checkpoints(str(tmp_path), now, upgraded=upgraded).load() is not None
    changed = now | {"search": {"rounds": 13}}
    with pytest.raises(
        CheckpointError, match=r"search\.rounds: 12 in the checkpoint, 13 in the job"
    ):
        Checkpoints(str(tmp_path), changed, upgraded=upgraded).load()
    with pytest.raises(
        CheckpointError, match=r"search\.rounds: nothing in the checkpoint, 12 in the job"
    ):
        Checkpoints(str(tmp_path), now).load()


def test_a_checkpoint_says_which_random_streams_it_was_trained_with(tmp_path: Path) -> None:
    """One of an earlier DynST does not, and means the first."""
    content = pack(state(0), SPEC)
    assert unpack(content, SPEC, "it").streams == STREAMS
    head, _, body = content.partition(b"\n")
    facts = {key: value for key, value in json.loads(head).items() if key != "streams"}
    assert unpack(json.dumps(facts).encode() + b"\n" + body, SPEC, "it").streams == 1
    Checkpoints(str(tmp_path), SPEC).save(state(0))
    found = Checkpoints(str(tmp_path), SPEC).load()
    assert found is not None
    assert found.streams == STREAMS


def save_with_shares(kept: Checkpoints, number: int, saved: int, best: bool = False) -> None:
    """As two workers do, each with a share, and the first with what both have alike."""
    shares = {"0": {"rows": torch.tensor([number])}, "1": {"rows": torch.tensor([-number])}}
    for share, own in shares.items():
        kept.save_shares(kept.next_number(), saved, {share: own}, best)
    kept.save(state(number) | {"saved": saved}, best)


def test_each_worker_reads_its_shares_of_a_checkpoint(address: str) -> None:
    kept = Checkpoints(address, SPEC)
    save_with_shares(kept, 3, saved=11)
    for wanted in ((), ("1",), ("0", "1")):
        found = kept.load(wanted)
        assert found is not None
        assert "saved" not in found.state
        rows = {share: int(own["rows"]) for share, own in found.shares.items()}
        assert rows == {share: {"0": 3, "1": -3}[share] for share in wanted}


def test_shares_go_with_their_checkpoint(tmp_path: Path) -> None:
    kept = Checkpoints(str(tmp_path), SPEC, keep=1)
    for number in range(3):
        save_with_shares(kept, number, saved=number, best=number == 1)
    assert numbers(tmp_path) == [
        "00000003.ckpt",
        "00000003.share-0.ckpt",
        "00000003.share-1.ckpt",
        "best.ckpt",
        "best.share-0.ckpt",
        "best.share-1.ckpt",
    ]


def test_a_checkpoint_whose_shares_were_written_and_itself_was_not_does_not_exist(
    tmp_path: Path,
) -> None:
    kept = Checkpoints(str(tmp_path), SPEC)
    save_with_shares(kept, 1, saved=1)
    kept.save_shares(kept.next_number(), 2, {"0": {"rows": torch.tensor([9])}})
    found = kept.load(["0"])
    assert found is not None
    assert (found.name, int(found.shares["0"]["rows"])) == ("00000001.ckpt", 1)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: path.unlink(), "it is not there"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "its content is not what was"),
        (
            lambda path: path.write_bytes(pack({"rows": torch.ones(1), "saved": 7}, SPEC)),
            "it was not saved together with the others",
        ),
    ],
)
def test_a_checkpoint_with_a_damaged_share_is_passed_over(
    tmp_path: Path, harm: Callable[[Path], object], said: str
) -> None:
    kept = Checkpoints(str(tmp_path), SPEC)
    for number in (1, 2):
        save_with_shares(kept, number, saved=number)
    harm(tmp_path / "00000002.share-1.ckpt")
    found = kept.load(["0", "1"])
    assert found is not None
    assert found.name == "00000001.ckpt"
    assert len(found.damaged) == 1
    assert said in found.damaged[0]
    assert "00000002.share-1.ckpt" in found.damaged[0]
    undamaged = kept.load(["0"])
    assert undamaged is not None
    assert undamaged.name == "00000002.ckpt", "who does not read that share cannot know"


def test_what_is_damaged_for_another_worker_is_passed_over_by_all(tmp_path: Path) -> None:
    kept = Checkpoints(str(tmp_path), SPEC)
    for number in (1, 2):
        save_with_shares(kept, number, saved=number)
    answers = iter([False, True])
    found = kept.load(["0"], agreed=lambda whole: whole and next(answers))
    assert found is not None
    assert found.name == "00000001.ckpt"
    assert "damaged for another worker" in found.damaged[0]
