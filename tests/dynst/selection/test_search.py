"""The search against evaluators whose best choice is known."""

from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import Tensor

from dynst.selection.comparison import Comparison
from dynst.selection.search import (
    PATIENCE,
    Evaluators,
    SearchConfig,
    SearchProblem,
    SelectionResult,
    eliminate,
    exchange_search,
    find_agreed,
    find_choice,
)
from dynst.sparsity.config import SparsityConfig, make_scheme
from dynst.sparsity.constraints.base import Constraints, Unconstrained
from tests.contracts.test_constraints import KINDS, STEPS, S, broken, make_network

ROUNDS, PROPOSALS = 15, 8
ROUNDLESS = SearchConfig(rounds=0)


@dataclass
class Planted:
    """Each kept sensor takes its value off the error.

    Importance says something else, ``shown``, so that only losses identify the value.
    """

    value: Tensor
    shown: Tensor
    asked: list[Tensor] = field(default_factory=list)
    few: "Planted | None" = None
    noise: float = 0.0

    def loss(self, active: Tensor) -> float:
        """What was asked about before is not looked at again."""
        if not any(torch.equal(active, asked) for asked in self.asked):
            self.asked.append(active)
        return self.known(active)

    def losses(self, choices: list[Tensor]) -> Tensor:
        return torch.tensor([self.loss(choice) for choice in choices], dtype=torch.float64)

    def compare(self, first: Tensor, second: Tensor) -> Comparison:
        return Comparison(self.loss(first) - self.loss(second), self.noise, blocks=10)

    num_windows = 10**6

    def known(self, active: Tensor) -> float:
        return 100 - float(self.value[active].sum())

    def importance(self, active: Tensor) -> Tensor:
        return self.shown

    def every(self, step: int) -> "Planted":
        return self.few or self


def find(
    evaluator: Planted,
    rankings: list[Tensor],
    sparsity: float,
    config: SearchConfig = ROUNDLESS,
    seed: int = 0,
    constraints: Constraints | None = None,
    sparser: Tensor | None = None,
    **others: Planted | None,
) -> SelectionResult:
    evaluators = Evaluators(evaluator, **{"training": evaluator, "confirm": evaluator} | others)  # type: ignore[arg-type]
    named = {f"rule {number}": scores for number, scores in enumerate(rankings)}
    demanded = constraints or Unconstrained(len(evaluator.value))
    problem = SearchProblem(demanded, sparsity, config, seed, sparser)
    return find_choice(evaluators, problem, named)


def planted(size: int = S, seed: int = 0, misleading: float = 1.0) -> Planted:
    generator = torch.Generator().manual_seed(seed)
    value, noise = (torch.randn(size, generator=generator, dtype=torch.float64) for _ in range(2))
    return Planted(value, value + misleading * noise)


def first(count: int, size: int = S) -> Tensor:
    return torch.arange(size) < count


def best(value: Tensor, count: int) -> Tensor:
    return Unconstrained(len(value)).prune(
        first(len(value), len(value)), value, 1 - count / len(value)
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_planted_choice_is_found(seed: int) -> None:
    evaluator = planted(12, seed, misleading=0.5)
    assert not torch.equal(best(evaluator.shown, 4), best(evaluator.value, 4)), (
        "importance alone would miss it"
    )
    config = SearchConfig(elimination_rounds=3, rounds=40, proposals=12)
    found = find(evaluator, [torch.arange(12.0)], 2 / 3, config, seed)
    assert torch.equal(found.active, best(evaluator.value, 4))
    assert found.loss == evaluator.loss(best(evaluator.value, 4))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("misleading", [0.0, 1.0, 50.0])
def test_a_search_never_ends_worse_than_it_starts(seed: int, misleading: float) -> None:
    evaluator = planted(seed=seed, misleading=misleading)
    start = first(9)
    found = exchange_search(evaluator, Unconstrained(S), start, ROUNDS, PROPOSALS, seed)
    assert found.losses[0] == evaluator.loss(start)
    assert list(found.losses) == sorted(found.losses, reverse=True)
    assert found.losses[-1] == found.loss == evaluator.loss(found.active)
    assert len(found.losses) <= 1 + ROUNDS
    assert int(found.active.sum()) == 9


def test_a_start_that_is_best_already_is_kept() -> None:
    evaluator = planted(misleading=3.0)
    start = best(evaluator.value, 7)
    found = exchange_search(evaluator, Unconstrained(S), start, ROUNDS, PROPOSALS, 0)
    assert torch.equal(found.active, start)
    assert len(set(found.losses)) == 1


@pytest.mark.parametrize("rounds", [3, 100])
def test_rounds_without_a_gain_end_the_search(rounds: int) -> None:
    evaluator = planted()
    evaluator.noise = 1e3
    found = exchange_search(evaluator, Unconstrained(S), first(9), rounds, PROPOSALS, 0)
    assert len(found.losses) == 1 + min(rounds, PATIENCE)


def test_the_seed_decides() -> None:
    """Not torch's own random numbers."""
    asked = []
    for seed, other in ((3, 1), (3, 2), (4, 1)):
        evaluator = planted()
        torch.manual_seed(other)
        exchange_search(evaluator, Unconstrained(S), first(9), ROUNDS, PROPOSALS, seed)
        asked.append(torch.stack(evaluator.asked))
    assert torch.equal(asked[0], asked[1])
    assert not torch.equal(asked[0], asked[2])


def test_few_windows_propose_and_all_decide() -> None:
    """The few windows are blind: what they like best is never taken unless all windows like it
    too.
    """
    evaluator = planted(misleading=1.0)
    blind = planted(seed=1)
    blind.value = -evaluator.value
    evaluator.few = blind
    start = first(9)
    found = exchange_search(evaluator, Unconstrained(S), start, ROUNDS, PROPOSALS, 0)
    assert found.loss <= evaluator.loss(start)
    assert ROUNDS < len(blind.asked) <= ROUNDS * PROPOSALS
    assert len(evaluator.asked) <= 2 + ROUNDS, (
        "of every round the best alone is evaluated on all windows"
    )


def test_no_round_is_spent_on_what_was_evaluated_before() -> None:
    evaluator = planted(misleading=1.0)
    few = evaluator.few = planted(seed=1)
    few.value = few.shown = evaluator.value
    exchange_search(evaluator, Unconstrained(S), best(evaluator.value, 7), ROUNDS, PROPOSALS, 0)
    proposed = [tuple(choice.tolist()) for choice in few.asked]
    assert tuple(best(evaluator.value, 7).tolist()) not in proposed, (
        "few windows would find it the best again and again"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_choice_that_is_asked_about_keeps_the_constraints(kind: str) -> None:
    settings, columns = KINDS[kind]
    config, network = SparsityConfig.model_validate(settings), make_network(**columns)  # type: ignore[arg-type]
    scheme = make_scheme(
        config.model_copy(update={"scheme": "searched"}), S, STEPS, 0, network=network
    )
    evaluator, search = planted(), SearchConfig(elimination_rounds=3, rounds=4, proposals=4)
    rankings, sparsity = [torch.randn(S).double()], scheme.schedule.final
    found = find(evaluator, rankings, sparsity, search, constraints=scheme.constraints)
    assert len({tuple(choice.tolist()) for choice in evaluator.asked}) > 3
    assert [broken(config, network, choice) for choice in evaluator.asked] == [[]] * len(
        evaluator.asked
    )
    assert broken(config, network, found.active) == []


@pytest.mark.parametrize("good", ["ranking", "elimination"])
def test_the_better_end_counts(good: str) -> None:
    """Without rounds of exchange an end is its start: the best by a ranking, or what an elimination
    leaves.
    """
    evaluator = planted()
    evaluator.shown = evaluator.value if good == "elimination" else -evaluator.value
    rankings = [-evaluator.value, evaluator.value if good == "ranking" else -evaluator.value]
    found = find(evaluator, rankings, 0.75)
    assert torch.equal(found.active, best(evaluator.value, 6))


def test_the_search_starts_from_the_best_ranking() -> None:
    evaluator = planted()
    evaluator.shown = -evaluator.value
    rankings = [-evaluator.value, evaluator.value + 0.1 * torch.arange(S), torch.arange(S).double()]
    found = find(evaluator, rankings, 0.75)
    ends = [best(scores, 6) for scores in [*rankings, evaluator.shown]]
    assert torch.equal(found.active, min(ends, key=evaluator.loss))


def test_an_elimination_alone_is_enough_to_start_from() -> None:
    evaluator = planted(misleading=0)
    found = find(evaluator, [], 0.75)
    assert torch.equal(found.active, best(evaluator.value, 6))


def test_the_elimination_sees_few_of_the_training_windows_alone() -> None:
    train, few = planted(seed=2), planted(seed=3)
    train.few = few
    found = find(planted(), [], 0.75, training=train)
    assert torch.equal(found.active, best(few.shown, 6))
    assert train.asked == few.asked == []


@pytest.mark.parametrize("noise", [0.0, 1e3])
def test_a_gain_that_does_not_beat_the_noise_between_blocks_is_not_followed(noise: float) -> None:
    evaluator = planted(misleading=0.5)
    evaluator.noise = noise
    found = exchange_search(evaluator, Unconstrained(S), first(9), ROUNDS, PROPOSALS, 0)
    assert torch.equal(found.active, first(9)) is (noise > 0)


def test_a_rule_is_left_only_where_the_search_is_better_on_blocks_that_neither_saw() -> None:
    evaluator = planted(misleading=0.0)
    rule = -evaluator.value
    other = planted(misleading=0.0)
    other.value = -evaluator.value  # what the search likes is bad here
    refused = find(evaluator, [rule], 0.75, confirm=other)
    assert torch.equal(refused.active, best(rule, 6))
    assert refused.loss == evaluator.loss(refused.active)
    taken = find(evaluator, [rule], 0.75)
    assert torch.equal(taken.active, best(evaluator.value, 6))
    for found, is_taken in ((refused, False), (taken, True)):
        assert found.verdict is not None
        assert found.verdict.confirmed is not None
        assert found.verdict.taken is is_taken
        assert found.verdict.rule == "rule 0"
        assert torch.equal(found.verdict.searched, taken.active)
        assert torch.equal(found.verdict.ruled, refused.active)
    assert len(other.asked) == 2, "the two alone"


def test_without_a_block_to_confirm_on_the_rule_stays() -> None:
    evaluator = planted(misleading=0.0)
    found = find(evaluator, [-evaluator.value], 0.75, confirm=None)
    assert torch.equal(found.active, best(-evaluator.value, 6))
    assert found.verdict is not None
    assert found.verdict.confirmed is None


def test_a_vote_keeps_what_most_searches_keep_and_breaks_ties_by_importance() -> None:
    evaluator = planted(misleading=0.0)
    value = evaluator.value.abs()
    evaluator.value = evaluator.shown = value
    order = value.argsort(descending=True).tolist()
    ends = [mask([*order[:5], order[at]]) for at in (10, 11, 12)]
    found = agreed(evaluator, [-value], ends)
    assert torch.equal(found.active, mask([*order[:5], order[10]])), "the tie by importance"
    assert found.loss == evaluator.loss(found.active)
    assert found.verdict is not None
    assert found.verdict.taken
    assert found.verdict.seeds == 3
    assert found.verdict.overlap == pytest.approx(5 / 7)


def test_a_vote_is_left_for_the_rule_that_is_better_on_blocks_that_neither_saw() -> None:
    evaluator = planted(misleading=0.0)
    other = planted(misleading=0.0)
    other.value = -evaluator.value
    ends = [best(evaluator.value, 6)] * 2
    found = agreed(evaluator, [-evaluator.value], ends, other)
    assert torch.equal(found.active, best(-evaluator.value, 6))
    assert found.verdict is not None
    assert torch.equal(found.verdict.searched, ends[0])
    without = agreed(evaluator, [], ends)
    assert torch.equal(without.active, ends[0])
    assert without.verdict is None


def mask(kept: list[int]) -> Tensor:
    return torch.tensor([sensor in kept for sensor in range(S)])


def agreed(
    evaluator: Planted,
    rankings: list[Tensor],
    ends: list[Tensor],
    confirm: Planted | None = None,
) -> SelectionResult:
    evaluators = Evaluators(evaluator, confirm or evaluator, evaluator)  # type: ignore[arg-type]
    named = {f"rule {number}": scores for number, scores in enumerate(rankings)}
    problem = SearchProblem(Unconstrained(S), 0.75, ROUNDLESS, 0)
    return find_agreed(evaluators, problem, named, ends)


def test_more_sensors_are_never_worse_than_fewer() -> None:
    """The only rule is bad, and blocks do not show that the search is better: the rule's choice
    would stay, though a good choice of fewer sensors is there.
    """
    evaluator = planted(misleading=0.0)
    evaluator.value = evaluator.value.abs()
    evaluator.shown = evaluator.value
    rule, sparser = -evaluator.value, best(evaluator.value, 4)
    noisy = replace(evaluator, asked=[], noise=1e3)
    alone = find(evaluator, [rule], 0.75, confirm=noisy)
    assert alone.loss > evaluator.loss(sparser)
    found = find(evaluator, [rule], 0.75, confirm=noisy, sparser=sparser)
    assert found.active[sparser].all()
    assert found.loss <= evaluator.loss(sparser)
    assert int(found.active.sum()) == 6
    assert found.verdict is not None
    assert found.verdict.extends
    assert found.verdict.confirmed is not None
    assert found.verdict.confirmed.difference < 0
    assert torch.equal(found.verdict.searched, found.active), "the pair that was compared"


@pytest.mark.parametrize("confirms", ["another sign", "nothing"])
def test_the_rule_stays_where_what_was_added_to_fewer_is_worse(confirms: str) -> None:
    evaluator = planted(misleading=0.0)
    evaluator.value = evaluator.value.abs()
    evaluator.shown = evaluator.value
    other = replace(evaluator, asked=[], value=-evaluator.value)
    rule, sparser = -evaluator.value, best(evaluator.value, 4)
    confirm = other if confirms == "another sign" else None
    found = find(evaluator, [rule], 0.75, confirm=confirm, sparser=sparser)
    assert torch.equal(found.active, best(rule, 6))
    assert found.verdict is not None
    assert not found.verdict.taken
    assert not found.verdict.extends


def test_fewer_sensors_that_are_worse_change_nothing() -> None:
    evaluator = planted(misleading=0.0)
    evaluator.value = evaluator.value.abs()
    evaluator.shown = evaluator.value
    sparser = best(-evaluator.value, 4)
    alone, found = (
        find(evaluator, [evaluator.value], 0.75, sparser=fewer) for fewer in (None, sparser)
    )
    assert torch.equal(alone.active, found.active)
    assert found.verdict is not None
    assert not found.verdict.extends


def test_the_rule_is_the_one_that_the_blocks_of_the_search_prefer() -> None:
    evaluator = planted(misleading=0.0)
    rankings = [torch.arange(S).double(), evaluator.value + 0.01, -evaluator.value]
    verdict = find(evaluator, rankings, 0.75).verdict
    assert verdict is not None
    assert verdict.rule == "rule 1"
    assert verdict.confirmed is None, "the same choice"


def test_an_elimination_measures_importance_anew() -> None:
    """By hand: 0 and 1 are twins.

    Each looks dispensable, at −1, while the other is on, and is worth 9 alone. 2 to 4 are worth 1,
    2 and 3. Going by the first measurement, both would go.
    """

    class Twins(Planted):
        def importance(self, active: Tensor) -> Tensor:
            twin = torch.tensor(
                [-1.0 if active[1] else 9, -1 if active[0] else 9], dtype=torch.float64
            )
            return torch.cat([twin, torch.tensor([1.0, 2, 3]).double()])

    evaluator = Twins(torch.zeros(5), torch.zeros(5))
    kept = eliminate(evaluator, Unconstrained(5), 0.6, rounds=3)
    assert int(kept.sum()) == 2
    assert kept[:2].sum() == 1
    assert kept[4]


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("rounds", [1, 4])
def test_an_elimination_ends_at_the_exact_number(sparsity: float, rounds: int) -> None:
    evaluator = planted(misleading=0)
    kept = eliminate(evaluator, Unconstrained(S), sparsity, rounds)
    assert torch.equal(kept, best(evaluator.value, round((1 - sparsity) * S)))
