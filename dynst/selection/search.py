"""Search by exchange: scores propose sensors to exchange, a trained network decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from dynst.bounds import Count, Steps, Whole
from dynst.random_streams import Stream, generator
from dynst.selection.comparison import Comparison
from dynst.selection.subset_evaluator import SubsetEvaluator, key_of
from dynst.sparsity.constraints.base import Constraints
from dynst.sparsity.diagnostics import agreement

__all__ = [
    "Evaluators",
    "SearchConfig",
    "SearchProblem",
    "SelectionResult",
    "Verdict",
    "eliminate",
    "exchange_search",
    "find_choice",
]

FIRST_ROUNDS = 1 / 3  # of the rounds, which every start may have
FEWEST_WINDOWS = 192  # that say which proposal is worth an evaluation on all
BRAKE = 0.9  # confidence of a gain that is followed: no proof, since many gains are looked at
PATIENCE = 8  # rounds without a gain that end a search by exchange
PROPOSAL_STRIDE = 4  # of the windows, where that leaves enough
ELIMINATION_STRIDE = 8  # every eighth is what an elimination needs, which is a start and no more


class SearchConfig(BaseModel):
    """How long to search, and by which windows.

    A round looks at ``proposals`` exchanges on few of the evaluator's windows and compares the
    best one on all with what there is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seeds: Count = Field(
        1,
        description="networks that search, each with a warm-up of its own; of more than one the "
        "sensors that most of them keep are the choice",
    )
    windows: Steps | None = Field(
        None,
        description="of the blocks of time to search on, and of those to confirm on; by default "
        "1,024 each, on large networks fewer",
    )
    withhold: bool = Field(
        True,
        description="keep every fifth block of the training part from the warm-up, to search and "
        "confirm on; else the validation part is all that there is for it",
    )
    elimination_rounds: Count = Field(
        5, description="rounds in which sensors go, by importance alone"
    )
    rounds: Whole = Field(
        40,
        description="rounds of exchanges after it, at most; eight in a row without a gain end it",
    )
    proposals: Count = Field(10, description="exchanges that are looked at in a round")


@dataclass(frozen=True)
class SearchProblem:
    """What is searched for.

    Args:
        constraints: of the choice.
        sparsity: share of sensors or cost that is off.
        config: how long to search.
        seed: of the proposals.
        sparser: bool ``[S]``, a choice with fewer sensors. One that adds sensors to it starts too,
            and is taken where the one found has a larger error than fewer sensors had. None without
            one.
    """

    constraints: Constraints
    sparsity: float
    config: SearchConfig
    seed: int
    sparser: Tensor | None = None


@dataclass(frozen=True)
class SelectionResult:
    """What a search found.

    Args:
        active: ``[S]`` bool, the sensors that stay on.
        loss: of the evaluator for this choice, in the unit of the first target.
        losses: after each round, the start first.
        verdict: on blocks that the search did not look at; None where there was no rule.
    """

    active: Tensor
    loss: float
    losses: tuple[float, ...]
    verdict: "Verdict | None" = None

    @property
    def end(self) -> Tensor:
        """Bool ``[S]``, where the search ended, whether that was taken or not."""
        return self.active if self.verdict is None else self.verdict.searched


@dataclass(frozen=True)
class Verdict:
    """Whether the searched choice is better than the best simple rule.

    Args:
        rule: name of the ranking that was the best on the blocks of the search.
        searched: bool ``[S]``, where the search ended.
        ruled: bool ``[S]``, the rule's choice.
        confirmed: the searched choice less the rule's, on blocks that no search compared on; None
            where they are the same choice, or there was no block.
        taken: the searched choice; else the rule's.
        extends: a choice with fewer sensors, since the one found had a larger error than that; it
            is what was searched for and compared then.
        seeds: searches that voted for the searched choice.
        overlap: mean Jaccard index of two of them; 1 of a single one.
    """

    rule: str
    searched: Tensor
    ruled: Tensor
    confirmed: Comparison | None
    taken: bool
    extends: bool = False
    seeds: int = 1
    overlap: float = 1.0


class Evaluators(NamedTuple):
    """Of one network, on windows that have nothing in common.

    Args:
        search: blocks that candidates are compared on.
        confirm: blocks that the winner and the best rule are compared on, once; None without any.
        training: windows that the network was trained on, for the elimination.
    """

    search: SubsetEvaluator
    confirm: SubsetEvaluator | None
    training: SubsetEvaluator


class _Rule(NamedTuple):
    name: str
    active: Tensor


def find_choice(
    evaluators: Evaluators, problem: SearchProblem, rankings: Mapping[str, Tensor]
) -> SelectionResult:
    """The whole search: exchanges from an elimination and from the best ranked choice.

    After the first rounds only one start goes on, another than the ranking's where it is better by
    more than blocks differ. The end is compared once with the best ranking, on blocks that neither
    saw: where it is not better there, the ranking is the choice.

    The elimination sees a few windows of the training alone. The blocks can then still measure what
    generalises.

    Args:
        evaluators: of the network that decides.
        problem: what is searched for.
        rankings: by name, the scores ``[S]`` of rules that need no network.
    """
    evaluator, constraints, config = evaluators.search, problem.constraints, problem.config
    rule = _best_rule(evaluator, problem, rankings)
    starts = [] if rule is None else [rule.active]
    training = evaluators.training.every(ELIMINATION_STRIDE)
    starts.append(eliminate(training, constraints, problem.sparsity, config.elimination_rounds))
    if problem.sparser is not None:
        starts.append(_extended(evaluator, problem, problem.sparser))
    first = round(config.rounds * FIRST_ROUNDS)
    improved = [
        exchange_search(evaluator, constraints, start, first, config.proposals, problem.seed)
        for start in starts
    ]
    leader = improved[0]
    for other in improved[1:]:
        if evaluator.compare(other.active, leader.active).shows_gain(BRAKE):
            leader = other
    rounds = config.rounds - first
    end = exchange_search(
        evaluator, constraints, leader.active, rounds, config.proposals, problem.seed, phase=1
    )
    found = end if rule is None else _confirmed(evaluators, end, rule)
    if problem.sparser is None:
        return found
    fewer = float(evaluator.losses([problem.sparser])[0])
    return found if found.loss <= fewer else _extending(evaluators, found, improved[-1], rule)


def find_agreed(
    evaluators: Evaluators,
    problem: SearchProblem,
    rankings: Mapping[str, Tensor],
    ends: Sequence[Tensor],
) -> SelectionResult:
    """The sensors that most of several searches keep, held against the best rule as one search is.

    Of sensors that equally many keep, those stay that are the most important beside the first end.

    Args:
        evaluators: of the network that decides.
        problem: what was searched for.
        rankings: by name, the scores ``[S]`` of rules that need no network.
        ends: bool ``[S]`` each, where the searches ended.
    """
    evaluator, constraints = evaluators.search, problem.constraints
    importance = evaluator.importance(ends[0])
    rank = importance.argsort().argsort() / len(importance)  # below 1, which is a vote
    votes = torch.stack([end.double() for end in ends]).sum(0)
    active = constraints.prune(constraints.allowed(), votes + rank, problem.sparsity)
    loss = float(evaluator.losses([active])[0])
    agreed = SelectionResult(active, loss, (loss,))
    rule = _best_rule(evaluator, problem, rankings)
    if rule is None:
        return agreed
    found = _confirmed(evaluators, agreed, rule)
    overlap = agreement(list(ends)).overlap if len(ends) > 1 else 1.0
    verdict = found.verdict and replace(found.verdict, seeds=len(ends), overlap=overlap)
    return replace(found, verdict=verdict)


def _extended(evaluator: SubsetEvaluator, problem: SearchProblem, sparser: Tensor) -> Tensor:
    """The sparser choice and the most important sensors beside it."""
    importance = evaluator.importance(sparser)
    ahead = importance.max() - importance.min() + 1
    return problem.constraints.prune(
        problem.constraints.allowed(), importance + ahead * sparser, problem.sparsity
    )


def _extending(
    evaluators: Evaluators, found: SelectionResult, extended: SelectionResult, rule: _Rule | None
) -> SelectionResult:
    """Where more sensors have a larger error, those that were added to fewer; but the rule's where
    these are worse on the blocks of the confirmation.
    """
    if extended.loss >= found.loss:
        return found
    if rule is None:
        return extended
    confirmed = _confirmation(evaluators, extended.active, rule)
    if confirmed is None or confirmed.difference > 0:
        return found
    verdict = Verdict(rule.name, extended.active, rule.active, confirmed, taken=True, extends=True)
    return replace(extended, verdict=verdict)


def _best_rule(
    evaluator: SubsetEvaluator, problem: SearchProblem, rankings: Mapping[str, Tensor]
) -> _Rule | None:
    """The one whose choice beats those before it."""
    best: _Rule | None = None
    allowed = problem.constraints.allowed()
    for name, scores in rankings.items():
        active = problem.constraints.prune(allowed, scores, problem.sparsity)
        if best is None or evaluator.compare(active, best.active).centre < 0:
            best = _Rule(name, active)
    return best


def _confirmed(evaluators: Evaluators, end: SelectionResult, rule: _Rule) -> SelectionResult:
    """The end of the search, or the rule's choice where the end is not shown to be better."""
    confirmed = _confirmation(evaluators, end.active, rule)
    taken = confirmed is not None and confirmed.shows_gain()
    verdict = Verdict(rule.name, end.active, rule.active, confirmed, taken)
    if taken:
        return replace(end, verdict=verdict)
    loss = float(evaluators.search.losses([rule.active])[0])
    return SelectionResult(rule.active, loss, end.losses, verdict)


def _confirmation(evaluators: Evaluators, active: Tensor, rule: _Rule) -> Comparison | None:
    """None where both are the same, or there is no block left."""
    if torch.equal(active, rule.active) or evaluators.confirm is None:
        return None
    return evaluators.confirm.compare(active, rule.active)


def eliminate(
    evaluator: SubsetEvaluator, constraints: Constraints, sparsity: float, rounds: int
) -> Tensor:
    """Switch sensors off in rounds, each a share of those that remain.

    After each one up to a tenth may be exchanged.

    Importance is measured anew each time, since two neighbours both look dispensable until one of
    them is gone.
    """
    active = constraints.allowed()
    for number in range(1, rounds + 1):
        share = 1 - (1 - sparsity) ** (number / rounds)
        active = constraints.prune(
            active, evaluator.importance(active), sparsity if number == rounds else share
        )
        active = constraints.exchange(
            active, evaluator.importance(active), max(1, int(active.sum()) // 10)
        )
    return active


def exchange_search(
    evaluator: SubsetEvaluator,
    constraints: Constraints,
    start: Tensor,
    rounds: int,
    proposals: int,
    seed: int,
    phase: int = 0,
) -> SelectionResult:
    """Improve a choice by exchanges that lower the evaluator's loss.

    An exchange is made for a gain that beats the noise between blocks of time. Another ``phase``
    draws other proposals.

    A round proposes exchanges of one to a sixteenth of the sensors, by importance at the present
    choice with noise that grows from one proposal to the next. The new ones are evaluated on few
    windows, and the best of them is compared with what there is on all windows. After a round
    without success the exchanges get smaller; after several in a row the search ends.
    """
    chance = generator(seed, Stream.EXCHANGES, phase)
    few = evaluator.every(max(1, min(PROPOSAL_STRIDE, evaluator.num_windows // FEWEST_WINDOWS)))
    active, loss = start, float(evaluator.losses([start])[0])
    importance = few.importance(active)
    reach = max(1, int(active.sum()) // 16)
    losses, seen = (
        [loss],
        {key_of(start)},
    )  # what was evaluated on all windows cannot be better again
    idle = 0
    for _ in range(rounds):
        if idle == PATIENCE:
            break
        proposed = [
            constraints.exchange(
                active, _noisy(importance, number / proposals, chance), 1 + number % reach
            )
            for number in range(proposals)
        ]
        new = [choice for choice in proposed if key_of(choice) not in seen]
        best = new[int(few.losses(new).argmin())] if new else active
        seen.add(key_of(best))
        if new and evaluator.compare(best, active).shows_gain(BRAKE):
            active, loss = best, float(evaluator.losses([best])[0])
            importance, idle = few.importance(active), 0
        else:
            reach, idle = max(1, reach // 2), idle + 1
        losses.append(loss)
    return SelectionResult(active, loss, tuple(losses))


def _noisy(importance: Tensor, temperature: float, chance: torch.Generator) -> Tensor:
    noise = torch.randn(len(importance), generator=chance, dtype=importance.dtype)
    return importance + temperature * importance.std(correction=0) * noise
