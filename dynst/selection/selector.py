"""Every way to choose sensors for one data set: by rankings, or by a trained network."""

from functools import cached_property

import torch
from torch import Tensor

from dynst.data.edges import Edges
from dynst.data.scaler import SeasonalScaler
from dynst.data.windows import Windows
from dynst.distributed.world import World
from dynst.models.forecaster import SparseForecaster
from dynst.random_streams import Stream, stream_seed
from dynst.selection.baselines import CHEAP, MAX_PAIRED, RANKINGS, BaselineInputs, baseline_inputs
from dynst.selection.search import SearchConfig, SelectionResult, find_choice
from dynst.selection.subset_evaluator import SubsetEvaluator, evenly
from dynst.sparsity.constraints.base import Constraints
from dynst.sparsity.constraints.sensor_layout import Network

__all__ = ["SensorSelector"]

LOCATIONS_EVALUATED = 60_000  # windows times sensors of each part, within these bounds of windows
FEWEST, MOST = 192, 1024
STARTS = (
    "farthest_point",
    "qr_pivoting",
    "variance",
)  # rankings that the search begins from, beside elimination


class SensorSelector:
    """Knows the training and the validation part, never the test part."""

    def __init__(
        self, train: Windows, val: Windows, scaler: SeasonalScaler, network: Network, edges: Edges
    ) -> None:
        self._train, self._val, self._scaler, self._network, self._edges = (
            train,
            val,
            scaler,
            network,
            edges,
        )

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
        """As many windows of the validation as of the training part."""
        windows = config.windows or min(
            MOST, max(FEWEST, LOCATIONS_EVALUATED // len(self._network))
        )
        return SubsetEvaluator(
            model.eval(),
            [(part, evenly(len(part), windows)) for part in (self._val, self._train)],
            world,
        )

    def search(
        self,
        evaluator: SubsetEvaluator,
        constraints: Constraints,
        sparsity: float,
        config: SearchConfig,
        seed: int,
    ) -> SelectionResult:
        """The whole search; the same on every rank."""
        few = len(self._network) <= MAX_PAIRED
        rankings = [
            self.ranked(name, constraints, sparsity, seed)
            for name in STARTS
            if few or name in CHEAP
        ]
        return find_choice(evaluator, constraints, rankings, sparsity, config, seed)

    @cached_property
    def _known(self) -> BaselineInputs:
        return baseline_inputs(self._network, self._edges, self._train, self._scaler)
