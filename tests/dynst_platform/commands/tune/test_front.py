"""The front, the volume it covers and the trial to choose: small cases by hand."""

import pytest

from dynst_platform.commands.tune.front import chosen_of, front_of, hypervolumes
from dynst_platform.commands.tune.records import Record
from tests.dynst_platform.commands.tune.samples import finished

BOTH = ("mae_all", "sparsity")


def numbers(records: list[Record]) -> list[int]:
    return [record.number for record in records]


def test_the_front_is_what_no_other_trial_beats() -> None:
    """0 and 2 are best in one thing each, 1 lies between them, 3 is beaten by 1, 4 is like 1."""
    trials = [
        finished(0, 5.0, 0.2),
        finished(1, 6.0, 0.5),
        finished(2, 8.0, 0.7),
        finished(3, 6.5, 0.4),
        finished(4, 6.0, 0.5),
    ]
    assert numbers(front_of(trials, BOTH)) == [0, 1, 2]
    assert numbers(front_of(trials, ("mae_all",))) == [0]
    assert numbers(front_of(trials, ("sparsity",))) == [2]


def test_only_finished_trials_count() -> None:
    stopped = Record(1, {}, "stopped", objectives={"mae_all": 1.0, "sparsity": 0.9})
    assert numbers(front_of([finished(0, 5.0, 0.2), stopped, Record(2, {}, "failed")], BOTH)) == [0]
    assert front_of([stopped], BOTH) == []
    assert hypervolumes([stopped], BOTH) == []


@pytest.mark.parametrize(("within", "number"), [(0.0, 0), (0.1, 1), (0.5, 2)])
def test_the_chosen_one_has_most_sensors_off_within_the_margin(within: float, number: int) -> None:
    front = [finished(0, 10.0, 0.2), finished(1, 11.0, 0.5), finished(2, 14.0, 0.7)]
    chosen = chosen_of(front, dense=10.0, within=within)
    assert chosen is not None
    assert chosen.number == number


def test_where_none_is_good_enough_the_best_is_chosen() -> None:
    front = [finished(0, 10.0, 0.2), finished(1, 11.0, 0.5)]
    chosen = chosen_of(front, dense=5.0, within=0.1)
    assert chosen is front[0]
    assert chosen_of([], dense=5.0, within=0.1) is None


def test_the_volume_grows_with_every_trial_that_joins_the_front() -> None:
    """By hand, with errors and sparsities scaled to 0 and 1 and the reference at 1.1: the first
    covers 1.1 × 0.1, the second adds the same less what both cover, 0.1 × 0.1; the third, beaten
    by the first, adds nothing.
    """
    trials = [finished(0, 1.0, 0.2), finished(1, 3.0, 0.8), finished(2, 2.0, 0.2)]
    volumes = hypervolumes(trials, BOTH)
    assert [number for number, _ in volumes] == [0, 1, 2]
    assert [volume * 1.21 for _, volume in volumes] == pytest.approx([0.11, 0.21, 0.21])


def test_trials_that_are_all_alike_cover_the_whole_box() -> None:
    assert hypervolumes([finished(0, 1.0, 0.2), finished(1, 1.0, 0.2)], BOTH) == [
        (0, pytest.approx(1.0)),
        (1, pytest.approx(1.0)),
    ]
