"""Every way to choose sensors for one data set: by rankings, or by a trained network."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from dynst.data.edges import Edges
from dynst.data.scaler import SeasonalScaler
from dynst.data.windows import Windows
from dynst.distributed.world import World
from dynst.models.forecaster import SparseForecaster
from dynst.random_streams import Stream, generator, stream_seed
from dynst.selection.baselines import CHEAP, MAX_PAIRED, RANKINGS, BaselineInputs, baseline_inputs
from dynst.selection.search import (
    Evaluators,
    SearchConfig,
    SearchProblem,
    SelectionResult,
    find_agreed,
    find_choice,
)
from dynst.selection.subset_evaluator import SubsetEvaluator, evenly
from dynst.selection.time_blocks import Block, TimeBlocks
from dynst.sparsity.constraints.base import Constraints
from dynst.sparsity.constraints.sensor_layout import Network

__all__ = ["SensorSelector"]

LOCATIONS_EVALUATED = 60_000  # windows times sensors, within these bounds of windows
FEWEST, MOST = 192, 1024
STARTS = tuple(name for name in RANKINGS if name != "random")


class SensorSelector:
    """Knows the training part and the blocks of time to choose by, never the test part."""

    def __init__(
        self,
        train: Windows,
        blocks: TimeBlocks,
        scaler: SeasonalScaler,
        network: Network,
        edges: Edges,
    ) -> None:
        self._train, self._blocks = train, blocks
        self._scaler, self._network, self._edges = scaler, network, edges

    def ranked(
        self, name: str, constraints: Constraints, sparsity: float, seed: int, number: int = 0
    ) -> Tensor:
        """Scores ``[S]`` of a ranking that needs no training, over the sensors that are allowed."""
        allowed = constraints.allowed()
        count = int(constraints.prune(allowed, torch.zeros(len(allowed)), sparsity).sum())
        known = self._known.among(allowed.nonzero().squeeze(1).numpy())
        own = RANKINGS[name](known, count, stream_seed(seed, Stream.RANKING, number))
        return torch.full(allowed.shape, float(own.min()), dtype=own.dtype).masked_scatter(
            allowed, own
        )

    def evaluator(
        self, model: SparseForecaster, config: SearchConfig, world: World | None = None
    ) -> SubsetEvaluator:
        """On the blocks of time that the search looks at."""
        return SubsetEvaluator(
            model.eval(), _thinned(self._blocks.search, self._num_windows(config)), world
        )

    def search(self, evaluator: SubsetEvaluator, problem: SearchProblem) -> SelectionResult:
        """The whole search; the same on every rank.

        Args:
            evaluator: as ``evaluator`` makes it.
            problem: what is searched for.
        """
        confirm = self._evaluated(evaluator, self._blocks.confirm, problem.config)
        return self._found(evaluator, confirm, problem)

    def agreed(
        self, evaluator: SubsetEvaluator, problem: SearchProblem, ends: Sequence[Tensor]
    ) -> SelectionResult:
        """What most of several searches keep, or the best rule's choice.

        Args:
            evaluator: as ``evaluator`` makes it.
            problem: what was searched for.
            ends: bool ``[S]`` each, where the searches ended.
        """
        confirm = self._evaluated(evaluator, self._blocks.confirm, problem.config)
        evaluators, rankings = self._evaluators(evaluator, confirm, problem)
        return find_agreed(evaluators, problem, rankings, ends)

    def reruns(
        self, evaluator: SubsetEvaluator, problem: SearchProblem, runs: int
    ) -> list[SelectionResult]:
        """The same search again, each time on a random half of the blocks and by other proposals.

        The blocks to confirm on are halved too.

        Args:
            evaluator: as ``evaluator`` makes it.
            problem: what is searched for; its seed is that of the halves too.
            runs: how many.
        """
        found = []
        for run in range(runs):
            chance = generator(problem.seed, Stream.HALVES, run)
            search, confirm = (
                self._evaluated(evaluator, _half(blocks, chance), problem.config)
                for blocks in (self._blocks.search, self._blocks.confirm)
            )
            own = replace(problem, seed=stream_seed(problem.seed, Stream.HALVES, run))
            found.append(self._found(search or evaluator, confirm, own))
        return found

    def _found(
        self, search: SubsetEvaluator, confirm: SubsetEvaluator | None, problem: SearchProblem
    ) -> SelectionResult:
        evaluators, rankings = self._evaluators(search, confirm, problem)
        return find_choice(evaluators, problem, rankings)

    def _evaluators(
        self, search: SubsetEvaluator, confirm: SubsetEvaluator | None, problem: SearchProblem
    ) -> tuple[Evaluators, dict[str, Tensor]]:
        """What choices are compared with, and the scores of the rules."""
        few = len(self._network) <= MAX_PAIRED
        rankings = {
            name: self.ranked(name, problem.constraints, problem.sparsity, problem.seed)
            for name in STARTS
            if few or name in CHEAP
        }
        fitted = self._blocks.fitted
        windows = fitted[evenly(len(fitted), self._num_windows(problem.config))]
        return Evaluators(search, confirm, search.on([(self._train, windows)])), rankings

    def _evaluated(
        self, evaluator: SubsetEvaluator, blocks: Sequence[Block], config: SearchConfig
    ) -> SubsetEvaluator | None:
        return evaluator.on(_thinned(blocks, self._num_windows(config))) if blocks else None

    def _num_windows(self, config: SearchConfig) -> int:
        return config.windows or min(MOST, max(FEWEST, LOCATIONS_EVALUATED // len(self._network)))

    @cached_property
    def _known(self) -> BaselineInputs:
        return baseline_inputs(self._network, self._edges, self._train, self._scaler)


def _thinned(blocks: Sequence[Block], windows: int) -> list[Block]:
    """At most so many windows of all blocks together, and at least one of each."""
    each = max(1, windows // len(blocks))
    return [(part, index[evenly(len(index), each)]) for part, index in blocks]


def _half(blocks: Sequence[Block], chance: torch.Generator) -> list[Block]:
    """In the order of time; the larger half of an odd number."""
    drawn = torch.randperm(len(blocks), generator=chance)[: (len(blocks) + 1) // 2]
    return [blocks[number] for number in drawn.sort().values.tolist()]
