"""A supernet and the choices that it is asked about, by hand instead of by the platform."""

from itertools import pairwise

import pytest
import torch

from dynst.data.store import SensorStore
from dynst.evaluation.evaluate import evaluate
from dynst.experiment.config import ExperimentConfig
from dynst.experiment.dataset import Dataset, make_dataset
from dynst.experiment.experiment import Experiment
from dynst.experiment.supernet import Supernet
from dynst.models.factory import ModelConfig
from dynst.models.forecaster import SparseForecaster
from dynst.random_streams import Stream, generator
from dynst.selection.baselines import RANKINGS
from dynst.selection.search import SearchConfig
from dynst.selection.selector import _half
from dynst.selection.subset_evaluator import SubsetEvaluator
from dynst.sparsity.config import SparsityConfig
from dynst.training.config import Recipe
from tests.conftest import SMALL

KEPT = ({0, 1, 2, 3}, {0, 1, 4, 5}, {2, 6, 1, 0})  # by each of three seeds
MODEL = ModelConfig(window=6, horizon=3, hidden=16, backbone=SMALL, embedding=4)
RECIPE = Recipe(epochs=3, steps_per_epoch=6, batch_size=16)


@pytest.fixture(scope="module")
def dataset(network: SensorStore) -> Dataset:
    return make_dataset(network, MODEL)


def make(network: SensorStore, dataset: Dataset, **settings: object) -> Supernet:
    search = SearchConfig(elimination_rounds=2, rounds=2, proposals=2)
    sparsity = SparsityConfig.model_validate(settings)
    config = ExperimentConfig(model=MODEL, training=RECIPE, sparsity=sparsity, search=search)
    return Supernet(Experiment(network, config, dataset=dataset))


@pytest.fixture(scope="module")
def shared(network: SensorStore, dataset: Dataset) -> SparseForecaster:
    training = make(network, dataset).training()
    reports = list(training.run())
    assert training.best is not None
    assert training.best[0] == min(report.val_mae for report in reports), (
        "the best epoch counts, on several choices"
    )
    return training.model


@pytest.fixture(scope="module")
def evaluator(network: SensorStore, dataset: Dataset, shared: SparseForecaster) -> SubsetEvaluator:
    return make(network, dataset).experiment.selector.evaluator(shared, SearchConfig())


def test_the_shared_network_never_reads_an_excluded_sensor_and_always_a_pinned_one(
    network: SensorStore, dataset: Dataset
) -> None:
    """Whatever else the job demands of a choice: here no two of the sensors that stay may be
    close.
    """
    scheme = (
        make(network, dataset, pinned=["s1"], excluded=["s2", "s3"], min_distance=0.1)
        .training()
        .scheme
    )
    subsets = [set(scheme.sensors_at(step).index.tolist()) for step in range(18)]
    assert all(1 in subset and not subset & {2, 3} for subset in subsets)
    assert len({frozenset(subset) for subset in subsets}) > 5


def test_dense_reads_everything_as_long_as_all_else_takes(
    network: SensorStore, dataset: Dataset
) -> None:
    training = make(network, dataset).experiment.dense(5).training
    assert training.recipe.epochs == 5
    assert training.scheme.active.all()
    assert training.scheme.sensors_at(3).index.tolist() == list(range(8))


@pytest.mark.parametrize("sparsity", [0.25, 0.5, 0.8])
def test_all_choices_keep_the_constraints_at_each_sparsity(
    network: SensorStore, dataset: Dataset, evaluator: SubsetEvaluator, sparsity: float
) -> None:
    supernet = make(network, dataset, budget=2.0, pinned=["s1"], excluded=["s2"])
    found = [
        supernet.learned(evaluator, sparsity),
        *(supernet.ranked(name, 0, evaluator, sparsity) for name in RANKINGS),
    ]
    assert [one.name for one in found] == ["dynst", *RANKINGS]
    for one in found:
        assert int(one.active.sum()) == 8 - round(sparsity * 8)
        assert one.active[1]
        assert not one.active[2]
        assert one.search_loss == evaluator.loss(one.active)
        assert one.sparsity == sparsity


def test_each_nested_choice_keeps_a_part_of_the_one_before_it(
    network: SensorStore, dataset: Dataset, evaluator: SubsetEvaluator
) -> None:
    supernet = make(network, dataset, budget=2.0, pinned=["s1"], excluded=["s2"])
    found = supernet.nested(evaluator, [0.8, 0.25, 0.5])
    assert [one.sparsity for one in found] == [0.25, 0.5, 0.8]
    assert [int(one.active.sum()) for one in found] == [6, 4, 2]
    for before, after in pairwise(found):
        assert not (after.active & ~before.active).any()
    for one in found:
        assert one.name == "dynst_nested"
        assert one.active[1]
        assert not one.active[2]
        assert one.search_loss == evaluator.loss(one.active)
        assert one.verdict is not None


def test_the_search_is_run_again_on_halves_of_the_blocks(
    network: SensorStore, dataset: Dataset, evaluator: SubsetEvaluator
) -> None:
    supernet = make(network, dataset, pinned=["s1"])
    found = supernet.reruns(evaluator, 0.5, 4)
    assert [one.number for one in found] == [0, 1, 2, 3]
    assert all(int(one.active.sum()) == 4 and one.active[1] for one in found)
    assert len({one.search_loss for one in found}) > 1, "other blocks"
    again = supernet.reruns(evaluator, 0.5, 2)
    assert [one.search_loss for one in again] == [one.search_loss for one in found[:2]]
    blocks = supernet.experiment.blocks
    assert len(_half(blocks.search, generator(0, Stream.HALVES, 0))) == -(-len(blocks.search) // 2)


def test_draws_differ_and_can_be_repeated(
    network: SensorStore, dataset: Dataset, evaluator: SubsetEvaluator
) -> None:
    supernet = make(network, dataset)
    draws = [supernet.ranked("random", number, evaluator, 0.5).active for number in (0, 1, 2, 3)]
    assert len({tuple(draw.tolist()) for draw in draws}) > 1
    assert torch.equal(supernet.ranked("random", 2, evaluator, 0.5).active, draws[2])


def test_a_given_choice_stands_at_the_sparsity_that_keeps_as_many_or_at_its_own(
    network: SensorStore, dataset: Dataset, evaluator: SubsetEvaluator
) -> None:
    chosen = make(network, dataset, excluded=["s2"]).given([2, 5], evaluator, [0.3, 0.6])
    assert chosen.active.nonzero().squeeze(1).tolist() == [2, 5]
    assert chosen.sparsity == 0.75
    assert chosen.search_loss == evaluator.loss(chosen.active)
    assert make(network, dataset).given([2, 5], evaluator, [0.3, 0.7]).sparsity == 0.7


def test_errors_by_block_average_to_those_of_the_test_part(
    network: SensorStore, dataset: Dataset, shared: SparseForecaster, evaluator: SubsetEvaluator
) -> None:
    supernet = make(network, dataset)
    point = supernet.as_it_is(shared, supernet.ranked("variance", 0, evaluator, 0.5))
    blocks = supernet.by_block(point)
    assert len(blocks.absolute) > 2
    assert blocks.mean() == pytest.approx(point.errors.mae(), rel=1e-6)


def test_the_consensus_keeps_what_most_seeds_keep(
    network: SensorStore, dataset: Dataset, evaluator: SubsetEvaluator
) -> None:
    found = [torch.tensor([sensor in kept for sensor in range(8)]) for kept in KEPT]
    supernet = make(network, dataset)
    consensus = supernet.consensus(found, evaluator, 0.5)
    assert set(consensus.end.nonzero().squeeze(1).tolist()) >= {0, 1, 2}, "each by two seeds"
    assert int(consensus.end.sum()) == int(consensus.active.sum()) == 4
    assert not consensus.end[7], "kept by none"
    assert consensus.search_loss == evaluator.loss(consensus.active)
    for seed, active in enumerate(found):
        each = supernet.of_other_seed(seed, active, evaluator, 0.5)
        assert each.number == seed
        assert torch.equal(each.active, active)
        assert each.search_loss == evaluator.loss(active)
    same = supernet.consensus(found[:1], evaluator, 0.5)
    assert torch.equal(same.end, found[0]), "of a single seed"


def test_the_rule_that_a_search_was_held_against_is_a_choice_of_its_own(
    network: SensorStore, dataset: Dataset, evaluator: SubsetEvaluator
) -> None:
    supernet = make(network, dataset)
    learned = supernet.learned(evaluator, 0.5)
    rule = supernet.best_rule(learned, evaluator)
    assert rule is not None
    assert learned.verdict is not None
    same = supernet.ranked(learned.verdict.rule, 0, evaluator, 0.5)
    assert torch.equal(rule.active, same.active)
    assert rule.search_loss == pytest.approx(same.search_loss)
    assert supernet.best_rule(same, evaluator) is None


def test_fine_tuning_starts_from_the_shared_weights_and_leaves_them_alone(
    network: SensorStore, dataset: Dataset, shared: SparseForecaster, evaluator: SubsetEvaluator
) -> None:
    supernet = make(network, dataset)
    chosen = supernet.ranked("variance", 0, evaluator, 0.5)
    before = {name: value.clone() for name, value in shared.state_dict().items()}
    as_it_is = supernet.as_it_is(shared, chosen)
    assert as_it_is.errors.mae() == evaluate(shared, dataset.test, chosen.active).mae()

    training = supernet.fine_tuning(shared, chosen.active, 2)
    assert training.recipe.learning_rate < RECIPE.learning_rate
    assert all(
        torch.equal(value, before[name]) for name, value in training.model.state_dict().items()
    )
    tuned = supernet.fine_tuned(shared, chosen, 2)
    assert tuned.errors.mae() != as_it_is.errors.mae()
    assert torch.equal(tuned.choice.active, chosen.active)
    assert all(torch.equal(value, before[name]) for name, value in shared.state_dict().items())
