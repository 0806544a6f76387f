"""Search by exchange: scores propose sensors to exchange, a trained network decides."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from dynst.bounds import Count, Steps, Whole
from dynst.random_streams import Stream, generator
from dynst.selection.subset_evaluator import SubsetEvaluator, key_of
from dynst.sparsity.constraints.base import Constraints

__all__ = ["SearchConfig", "SelectionResult", "eliminate", "exchange_search", "find_choice"]

FIRST_ROUNDS = 1 / 3  # of the rounds, which every start may have
PROPOSAL_STRIDE = 4  # every fourth window says which proposal is worth an evaluation on all
ELIMINATION_STRIDE = 8  # and every eighth what an elimination needs, which is a start and no more


class SearchConfig(BaseModel):
    """How long to search.

    A round looks at ``proposals`` exchanges on few of the evaluator's windows and evaluates the
    best one on all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    windows: Steps | None = Field(
        None,
        description="of the validation and of the training part, to evaluate on; by default 1,024, "
        "on large networks fewer",
    )
    elimination_rounds: Count = Field(
        5, description="rounds in which sensors go, by importance alone"
    )
    rounds: Whole = Field(12, description="rounds of exchanges after it")
    proposals: Count = Field(10, description="exchanges that are looked at in a round")


@dataclass(frozen=True)
class SelectionResult:
    """What a search found.

    Args:
        active: ``[S]`` bool, the sensors that stay on.
        loss: of the evaluator for this choice, in the unit of the first target.
        losses: after each round, the start first.
    """

    active: Tensor
    loss: float
    losses: tuple[float, ...]


def find_choice(
    evaluator: SubsetEvaluator,
    constraints: Constraints,
    rankings: Sequence[Tensor],
    sparsity: float,
    config: SearchConfig,
    seed: int,
) -> SelectionResult:
    """The whole search: exchanges from an elimination and from the best ranked choice.

    After the first rounds only the better of the two starts goes on. The elimination sees a few
    windows of the evaluator's last part alone, those of training. The other part can then still
    measure what generalises.
    """
    ranked = [constraints.prune(constraints.allowed(), scores, sparsity) for scores in rankings]
    starts = [ranked[int(evaluator.losses(ranked).argmin())]] if ranked else []
    starts.append(
        eliminate(
            evaluator.on(-1).every(ELIMINATION_STRIDE),
            constraints,
            sparsity,
            config.elimination_rounds,
        )
    )
    first = round(config.rounds * FIRST_ROUNDS)
    improved = [
        exchange_search(evaluator, constraints, start, first, config.proposals, seed)
        for start in starts
    ]
    leader = min(improved, key=lambda each: each.loss)
    return exchange_search(
        evaluator,
        constraints,
        leader.active,
        config.rounds - first,
        config.proposals,
        seed,
        phase=1,
    )


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

    The result is never worse than ``start``. Another ``phase`` draws other proposals.

    A round proposes exchanges of one to a sixteenth of the sensors, by importance at the present
    choice with noise that grows from one proposal to the next. The new ones are evaluated on few
    windows, the best of them on all windows, and it is taken if it is better than what there is.
    After a round without success the exchanges get smaller.
    """
    chance = generator(seed, Stream.EXCHANGES, phase)
    few = evaluator.every(PROPOSAL_STRIDE)
    active, loss = start, float(evaluator.losses([start])[0])
    importance = few.importance(active)
    reach = max(1, int(active.sum()) // 16)
    losses, seen = (
        [loss],
        {key_of(start)},
    )  # what was evaluated on all windows cannot be better again
    for _ in range(rounds):
        proposed = [
            constraints.exchange(
                active, _noisy(importance, number / proposals, chance), 1 + number % reach
            )
            for number in range(proposals)
        ]
        new = [choice for choice in proposed if key_of(choice) not in seen]
        best = new[int(few.losses(new).argmin())] if new else active
        seen.add(key_of(best))
        found = float(evaluator.losses([best])[0])
        if found < loss:
            active, loss = best, found
            importance = few.importance(active)
        else:
            reach = max(1, reach // 2)
        losses.append(loss)
    return SelectionResult(active, loss, tuple(losses))


def _noisy(importance: Tensor, temperature: float, chance: torch.Generator) -> Tensor:
    noise = torch.randn(len(importance), generator=chance, dtype=importance.dtype)
    return importance + temperature * importance.std(correction=0) * noise
