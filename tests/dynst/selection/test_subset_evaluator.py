"""The evaluator's loss is that of an evaluation, its importance what a switch would do."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dynst.data.scaler import SEASONS, SeasonalScaler
from dynst.data.series import Series
from dynst.data.store import SensorStore
from dynst.data.windows import ForecastInputs, Windows
from dynst.distributed.world import World
from dynst.evaluation.evaluate import evaluate
from dynst.experiment.dataset import Dataset, make_dataset, plan_dataset
from dynst.models.factory import ModelConfig, build_forecaster
from dynst.models.forecaster import CompactForecaster, SparseForecaster
from dynst.models.graph.stream_morph import MorphGraphNet
from dynst.models.layers.dense_topology import DenseTopology
from dynst.models.layers.readout import Readout
from dynst.models.protocol import Shape
from dynst.selection.subset_evaluator import SubsetEvaluator, evenly
from tests.conftest import SMALL, write_network

MODEL = ModelConfig(window=6, horizon=3, hidden=16, backbone=SMALL, embedding=4)
ACTIVE = torch.tensor([1, 0, 1, 1, 0, 0, 1, 0], dtype=torch.bool)


def forecaster(store: SensorStore, dataset: Dataset) -> SparseForecaster:
    return build_forecaster(
        MODEL, dataset.scaler, store.edges, targets=dataset.train.targets.tolist(), seed=0
    ).eval()


@pytest.fixture(scope="module")
def dataset(network: SensorStore) -> Dataset:
    return make_dataset(network, MODEL)


@pytest.fixture(scope="module")
def evaluator(network: SensorStore, dataset: Dataset) -> SubsetEvaluator:
    parts = [
        (dataset.val, evenly(len(dataset.val), 20)),
        (dataset.train, evenly(len(dataset.train), 30)),
    ]
    return SubsetEvaluator(forecaster(network, dataset), parts, batch_size=7)


def some(windows: Windows, most: int) -> Windows:
    return replace(windows, starts=windows.starts[evenly(len(windows), most)])


def test_windows_are_spread_over_the_whole_part() -> None:
    assert evenly(9, 3).tolist() == [0, 4, 8]
    assert evenly(3, 9).tolist() == [0, 1, 2]
    assert evenly(1, 5).tolist() == [0]


def test_a_coarser_evaluator_keeps_every_third_window_of_each_part(
    evaluator: SubsetEvaluator, dataset: Dataset
) -> None:
    parts = [
        (dataset.val, evenly(len(dataset.val), 20)[::3]),
        (dataset.train, evenly(len(dataset.train), 30)[::3]),
    ]
    same = SubsetEvaluator(evaluator.model, parts)
    assert evaluator.every(3).loss(ACTIVE) == pytest.approx(same.loss(ACTIVE), rel=1e-6)
    assert evaluator.every(3).loss(ACTIVE) != evaluator.loss(ACTIVE)


def test_the_loss_is_the_error_of_an_evaluation(
    evaluator: SubsetEvaluator, dataset: Dataset
) -> None:
    val, train = some(dataset.val, 20), some(dataset.train, 30)
    tables = [evaluate(evaluator.model, windows, ACTIVE) for windows in (val, train)]
    both = sum(float(table.absolute.sum()) for table in tables) / sum(
        float(table.count.sum()) for table in tables
    )
    assert evaluator.loss(ACTIVE) == pytest.approx(both, rel=1e-5)
    assert evaluator.loss(ACTIVE) != pytest.approx(evaluator.loss(~ACTIVE), rel=1e-3)


def test_other_windows_can_be_asked_about(evaluator: SubsetEvaluator, dataset: Dataset) -> None:
    windows = some(dataset.test, 20)
    assert evaluator.on([(windows, torch.arange(20))]).loss(ACTIVE) == pytest.approx(
        evaluate(evaluator.model, windows, ACTIVE).mae(), rel=1e-5
    )


@pytest.fixture(scope="module")
def blocks(evaluator: SubsetEvaluator, dataset: Dataset) -> SubsetEvaluator:
    """Of two parts, of different sizes, some smaller than a batch and some larger."""
    sizes = [(dataset.val, 3), (dataset.val, 9), (dataset.train, 4), (dataset.train, 11)]
    starts = iter((0, 20, 5, 300))
    return evaluator.on([(part, torch.arange(size) + next(starts)) for part, size in sizes])


def test_a_comparison_is_that_of_evaluations_of_each_block(blocks: SubsetEvaluator) -> None:
    """Four blocks are too few for one of them to be an outlier: the ratio of their sums."""
    found = blocks.compare(ACTIVE, ~ACTIVE)
    tables = [
        [
            evaluate(blocks.model, replace(part, starts=part.starts[index]), choice)
            for part, index in blocks.blocks
        ]
        for choice in (ACTIVE, ~ACTIVE)
    ]
    count = np.array([float(table.count.sum()) for table in tables[0]])
    one, other = (
        np.array([float(table.absolute.sum()) for table in of_choice]) for of_choice in tables
    )
    ratio = (one - other).sum() / count.sum()
    residual = one - other - ratio * count
    expected = ratio / np.sqrt(4 / 3 * (residual**2).sum()) * count.sum()
    assert found.blocks == 4
    assert found.difference == pytest.approx(blocks.loss(ACTIVE) - blocks.loss(~ACTIVE), rel=1e-5)
    assert found.difference / found.deviation == pytest.approx(expected, rel=1e-4)


def test_two_ranks_compare_alike(blocks: SubsetEvaluator) -> None:
    alone = blocks.compare(ACTIVE, ~ACTIVE)
    found = on_two_ranks(blocks, lambda rank: torch.tensor(astuple(rank.compare(ACTIVE, ~ACTIVE))))
    assert torch.equal(found[0], found[1])
    torch.testing.assert_close(found[0], torch.tensor(astuple(alone)))


def test_a_choice_is_looked_at_once_for_several_comparisons(
    blocks: SubsetEvaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh, looked = blocks.on(blocks.blocks), list[Tensor]()
    batch = Windows.batch
    monkeypatch.setattr(
        Windows, "batch", lambda self, *args: looked.append(args[1]) or batch(self, *args)
    )
    fresh.compare(ACTIVE, ~ACTIVE)
    both = len(looked)
    fresh.compare(ACTIVE.roll(1), ACTIVE)
    assert len(looked) == 3 * both // 2
    fresh.losses([ACTIVE, ACTIVE.roll(1)])
    assert len(looked) == 3 * both // 2


@pytest.mark.parametrize("targets", [("flow1",), ("flow", "flow1"), ("flow1", "flow")])
def test_several_targets_weigh_as_in_an_evaluation(
    tmp_path: Path, targets: tuple[str, ...]
) -> None:
    """The second channel is twice the first; overall errors are in the unit of the first target."""
    store = write_network(tmp_path / "two", num_steps=400, channels=2)
    dataset = make_dataset(store, MODEL, plan_dataset(store, MODEL, targets=targets))
    evaluator = SubsetEvaluator(
        forecaster(store, dataset), [(dataset.val, evenly(len(dataset.val), 10))]
    )
    expected = evaluate(evaluator.model, some(dataset.val, 10), ACTIVE).mae()
    assert evaluator.loss(ACTIVE) == pytest.approx(expected, rel=1e-5)


def test_importance_is_the_gradient_of_the_loss(evaluator: SubsetEvaluator) -> None:
    """At a choice, of one forward pass over all windows at once."""
    gates = ACTIVE.float().requires_grad_()
    everyone = torch.arange(8)
    total, count = torch.zeros(()), torch.zeros(())
    for windows, index in evaluator.blocks:
        batch = windows.batch(index, everyone)
        forecast = evaluator.model(
            ForecastInputs(batch.readings, batch.observed, batch.calendar, everyone, gates)
        )
        error = (
            (forecast - batch.target).abs()
            * evaluator.model.scaler.scale[:, :1]
            * batch.target_observed
        )
        total, count = total + error.sum(), count + batch.target_observed.sum()
    (expected,) = torch.autograd.grad(-total / count, gates)
    torch.testing.assert_close(
        evaluator.importance(ACTIVE), expected.double(), rtol=1e-4, atol=1e-7
    )
    assert (evaluator.importance(ACTIVE) != 0).all(), "sensors that are off have one too"


def test_importance_is_what_a_switch_changes_where_forecasts_are_linear() -> None:
    """Readings rise so fast that every forecast is too low: the error is linear in a forecast,
    which averages last readings.
    """
    size, steps = 5, 40
    shape = Shape(window=3, horizon=1, num_sensors=size, num_channels=1, num_targets=1, hidden=8)
    torch.manual_seed(0)
    topology = DenseTopology(torch.rand(size, size))
    # no location attends almost to one sensor alone: the factor of a switch is bounded
    node_embedding = torch.randn(size, 4) / 5
    readout = Readout(shape, topology, [0], node_embedding)
    torch.nn.init.zeros_(readout.forecast.weight)
    torch.nn.init.zeros_(readout.forecast.bias)
    scaler = SeasonalScaler(SEASONS["none"], size, 1)
    model = CompactForecaster(
        shape, MorphGraphNet(shape, topology, 6, node_embedding, blocks=1), readout, scaler
    )
    values = 10.0 * torch.arange(steps)[:, None, None] + 5 * torch.rand(steps, size, 1)
    series = Series(
        torch.arange(steps),
        values,
        torch.ones_like(values, dtype=torch.bool),
        torch.zeros(steps, 6),
    )
    windows = Windows(series, torch.arange(steps - 3), 3, 1, torch.tensor([0]))
    evaluator = SubsetEvaluator(model.eval(), [(windows, torch.arange(len(windows)))])
    active = torch.tensor([True, True, False, True, False])
    for sensor, importance in enumerate(evaluator.importance(active).tolist()):
        on, off = active.clone(), active.clone()
        on[sensor], off[sensor] = True, False
        assert importance == pytest.approx(
            evaluator.loss(off) - evaluator.loss(on), rel=1e-3, abs=1e-5
        ), sensor


@dataclass
class Meeting:
    """Where two threads, each a rank, add up what they have."""

    barrier: threading.Barrier = field(default_factory=lambda: threading.Barrier(2, timeout=30))
    brought: list[Tensor] = field(default_factory=lambda: [torch.zeros(0)] * 2)


@dataclass(frozen=True)
class Rank(World):
    size: int = 2
    meeting: Meeting = field(default_factory=Meeting)

    def all_reduce(self, value: Tensor) -> Tensor:
        self.meeting.brought[self.rank] = value.clone()
        self.meeting.barrier.wait()
        value.copy_(self.meeting.brought[0] + self.meeting.brought[1])
        self.meeting.barrier.wait()
        return value


def on_two_ranks(
    evaluator: SubsetEvaluator, ask: Callable[[SubsetEvaluator], Tensor]
) -> list[Tensor]:
    meeting = Meeting()
    ranks = [
        SubsetEvaluator(
            evaluator.model, evaluator.blocks, Rank(rank, meeting=meeting), batch_size=7
        )
        for rank in range(2)
    ]
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(ask, ranks))


@pytest.mark.parametrize("number", [1, 2, 5])
def test_two_ranks_share_choices_and_learn_all_losses(
    evaluator: SubsetEvaluator, number: int
) -> None:
    choices = [ACTIVE.roll(shift) for shift in range(number)]
    alone = evaluator.losses(choices)
    assert alone.tolist() == [evaluator.loss(choice) for choice in choices]
    assert all(
        torch.equal(alone, found)
        for found in on_two_ranks(evaluator, lambda rank: rank.losses(choices))
    )


def test_two_ranks_know_the_same_importance(evaluator: SubsetEvaluator) -> None:
    one, other = on_two_ranks(evaluator, lambda rank: rank.importance(ACTIVE))
    assert torch.equal(one, other)
    torch.testing.assert_close(one, evaluator.importance(ACTIVE))


def test_a_choice_that_was_evaluated_is_not_looked_at_again(
    evaluator: SubsetEvaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh, looked = SubsetEvaluator(evaluator.model, evaluator.blocks), list[Tensor]()
    sums = fresh._sums
    monkeypatch.setattr(fresh, "_sums", lambda active: looked.append(active) or sums(active))
    first = fresh.losses([ACTIVE, ~ACTIVE, ACTIVE])
    assert first[0] == first[2] != first[1]
    assert fresh.losses([~ACTIVE, ACTIVE]).tolist() == first[:2].flip(0).tolist()
    assert len(looked) == 2
