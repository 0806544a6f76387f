"""What to try next: reproducible, within the space, and better with what was learned."""

from typing import Any

import pytest

from dynst.errors import ConfigError
from dynst_platform.commands.tune.proposals import Proposals, grid_size, with_trials
from tests.dynst_platform.commands.tune.samples import finished, make_sweep

CONDITIONAL = {
    "sparsity.scheme": {"choice": ["searched", "dynamic"]},
    "sparsity.drop_fraction": {"grid": [0.1, 0.3], "when": {"sparsity.scheme": "dynamic"}},
    "sparsity.rounds": {"choice": [1, 5], "when": {"training.epochs": [6, 7]}},
}


def test_a_random_proposal_depends_on_the_seed_and_the_number_alone() -> None:
    sweep = make_sweep()
    one, other = (
        Proposals(sweep, []),
        Proposals(sweep, [finished(0, 1.0, 0.5, **{"sparsity.final": 0.3})]),
    )
    in_order = [one.propose(number) for number in range(4)]
    assert [other.propose(number) for number in (3, 1, 2, 0)] == [
        in_order[number] for number in (3, 1, 2, 0)
    ]
    assert len({str(proposal) for proposal in in_order}) == 4
    assert Proposals(make_sweep(seed=1), []).propose(0) != in_order[0]


@pytest.mark.parametrize("searcher", ["random", "tpe"])
def test_every_proposal_lies_in_the_space(searcher: str) -> None:
    space = {
        "training.learning_rate": {"loguniform": [1e-4, 1e-2]},
        "sparsity.final": {"uniform": [0.2, 0.7]},
        "sparsity.rounds": {"int": [2, 4]},
        "sparsity.dropout_density": {"choice": [[0.2, 1.0], [0.3, 0.6]]},
    }
    proposals = Proposals(make_sweep(space=space, searcher=searcher), [])
    found = [proposals.propose(number) for number in range(20)]
    assert all(
        1e-4 <= one["training.learning_rate"] <= 1e-2 and 0.2 <= one["sparsity.final"] <= 0.7
        for one in found
    )
    assert {one["sparsity.rounds"] for one in found} == {2, 3, 4}
    assert {str(one["sparsity.dropout_density"]) for one in found} == {"[0.2, 1.0]", "[0.3, 0.6]"}
    assert min(one["training.learning_rate"] for one in found) < 4e-4, "on a logarithmic scale"


def test_a_condition_decides_whether_a_key_is_there() -> None:
    proposals = Proposals(make_sweep(space=CONDITIONAL), [])
    found = [proposals.propose(number) for number in range(20)]
    assert {
        ("sparsity.drop_fraction" in one) == (one["sparsity.scheme"] == "dynamic") for one in found
    } == {True}
    assert all("sparsity.rounds" in one for one in found), "the base job has six epochs"


def test_a_grid_is_crossed_once() -> None:
    """Search with two numbers of rounds; dynamic with these and two fractions."""
    sweep = make_sweep(space=CONDITIONAL, searcher="grid")
    assert grid_size(sweep) == 6
    assert with_trials(sweep).trials == 6
    found = [Proposals(sweep, []).propose(number) for number in range(6)]
    assert len({str(sorted(one.items(), key=str)) for one in found}) == 6
    with pytest.raises(ConfigError, match="fixed number of trials"):
        with_trials(sweep, 3)


def test_more_trials_may_be_asked_for() -> None:
    assert with_trials(make_sweep(trials=6), 5).trials == 11


@pytest.mark.parametrize("again", [False, True])
def test_tpe_learns_where_the_errors_are_small(again: bool) -> None:
    """Whether it was notified of the trials as they ended, or read them after a restart."""
    sweep = make_sweep(
        space={"sparsity.final": {"uniform": [0.0, 0.9]}}, searcher="tpe", objectives=["mae_all"]
    )
    proposals, records = Proposals(sweep, []), []
    for number in range(40):
        share: Any = proposals.propose(number)["sparsity.final"]
        record = finished(number, abs(share - 0.3), 0.5, **{"sparsity.final": share})
        records.append(record)
        proposals.learn(record)
    if again:
        proposals = Proposals(sweep, records)
    late = [proposals.propose(number)["sparsity.final"] for number in range(40, 50)]
    assert sum(abs(share - 0.3) < 0.15 for share in late) >= 7, "by chance a third"
