"""The arms whose sensors are chosen without scores from a training, or by a search."""

import pytest
import torch

from dynst.build import Dataset, make_dataset
from dynst.choice.rankings import RANKINGS
from dynst.choice.search import SearchConfig
from dynst.comparison import Arm, Comparison
from dynst.data.store import SensorStore
from dynst.model import ModelConfig
from dynst.sparsity.config import SparsityConfig
from dynst.training.recipe import Recipe
from dynst.training.world import World
from tests.conftest import SMALL

MODEL = ModelConfig(window=6, horizon=3, hidden=16, backbone=SMALL, embedding=4)
RECIPE = Recipe(epochs=5, steps_per_epoch=4, batch_size=16)
SEARCH = SearchConfig(elimination_rounds=2, rounds=2, proposals=2)
MARKS = {"pinned": ("s1",), "excluded": ("s2", "s3")}


@pytest.fixture(scope="module")
def dataset(network: SensorStore) -> Dataset:
    return make_dataset(network, MODEL)


def compare(network: SensorStore, dataset: Dataset, **settings: object) -> Comparison:
    sparsity = SparsityConfig.model_validate({"final": 0.5, "rounds": 3, "probe_every": 1} | settings)
    return Comparison(dataset, network.edges, MODEL, RECIPE, sparsity, SEARCH, 0, World())


def finish(arm: Arm) -> Arm:
    for _ in arm.training.run():
        pass
    return arm


def warm(comparison: Comparison) -> Arm:
    learned = comparison.learned()
    list(learned.training.run(comparison.warm_epochs(learned)))
    return learned


@pytest.mark.parametrize("name", RANKINGS)
@pytest.mark.parametrize("scheme", ["dynamic", "judged"])
def test_a_baseline_keeps_what_its_ranking_prefers(network: SensorStore, dataset: Dataset, name: str, scheme: str) -> None:
    comparison = compare(network, dataset, scheme=scheme, **MARKS)
    arm = comparison.ranked(name)
    assert (arm.name, arm.kind) == (name, "baseline")
    constraints, sparsity = comparison._demands()
    scores = comparison.chooser.ranked(name, constraints, sparsity, 0)
    arm.training.continue_from(warm(comparison).training)
    updates = [update for report in arm.training.run() for update in report.updates]
    assert len(updates) == 1, "at once, where the learned one begins to prune"
    assert torch.equal(arm.active, constraints.prune(constraints.allowed(), scores, sparsity))
    assert arm.active[1]
    assert not arm.active[2:4].any()
    assert int(arm.active.sum()) == 4


@pytest.mark.parametrize("kept", [[0], [2, 3, 5], list(range(8))])
def test_a_given_choice_is_kept_whatever_the_job_demands(network: SensorStore, dataset: Dataset, kept: list[int]) -> None:
    comparison = compare(network, dataset, min_distance=0.05, **MARKS)
    active = torch.zeros(8, dtype=torch.bool)
    active[kept] = True
    arm = comparison.given(active)
    assert arm.active.all(), "until the others prune too"
    arm.training.continue_from(warm(comparison).training)
    assert finish(arm).active.nonzero().squeeze(1).tolist() == kept


def test_a_given_choice_goes_back_to_the_same_weights_as_the_others(network: SensorStore, dataset: Dataset) -> None:
    """The rewind step, 7, is after the shared warm-up of one epoch of 4 and before the first pruning, at 7."""
    comparison = compare(network, dataset, start=0.36, rewind=0.36)
    assert comparison.given(torch.arange(8) < 3).training.rewind == comparison.random(0).training.rewind == 7


def test_a_judged_choice_is_what_the_search_finds(network: SensorStore, dataset: Dataset) -> None:
    comparison = compare(network, dataset, scheme="judged", **MARKS)
    learned, other = warm(comparison), warm(comparison)
    constraints, sparsity = comparison._demands()
    judge = comparison.chooser.judge(other.training.model, SEARCH)
    found = comparison.chooser.judged(judge, constraints, sparsity, SEARCH, 0)
    importance = judge.importance(found.active)
    comparison.decide(learned)
    assert torch.equal(learned.active, found.active)
    reports = list(learned.training.run())
    assert torch.equal(learned.active, found.active)
    assert int(found.active.sum()) == 4
    assert found.active[1]
    assert not found.active[2:4].any()
    (update,) = reports[0].updates[:1]
    assert update.step == 8
    assert len(update.pruned) == 2
    assert torch.equal(update.importance, importance)
    assert not any(change.pruned or change.grown for report in reports for change in report.updates if change is not update)


def test_a_judge_leaves_the_network_as_it_was(network: SensorStore, dataset: Dataset) -> None:
    """Its gradients are of gates, and move no weight."""
    comparison = compare(network, dataset, scheme="judged")
    learned, other = warm(comparison), warm(comparison)
    comparison.decide(learned)
    for a, b in zip(learned.training.model.parameters(), other.training.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_judged_choice_goes_back_to_the_weights_of_rewind_too(network: SensorStore, dataset: Dataset) -> None:
    comparison = compare(network, dataset, scheme="judged", rewind=0.1)
    learned = warm(comparison)
    assert learned.training._optimizer.state
    comparison.decide(learned)
    assert not learned.training._optimizer.state
    weights = learned.training.model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in learned.training.rewound_to.items())
    assert learned.training.rewound_to


@pytest.mark.parametrize("scheme", ["dynamic", "iterative", "one_shot"])
def test_other_schemes_decide_for_themselves(network: SensorStore, dataset: Dataset, scheme: str) -> None:
    comparison = compare(network, dataset, scheme=scheme)
    learned = warm(comparison)
    before = learned.training.scheme.state_dict()
    comparison.decide(learned)
    after = learned.training.scheme.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert learned.active.all()


@pytest.mark.parametrize("scheme", ["dynamic", "iterative", "one_shot"])
@pytest.mark.parametrize("criterion", ["signed_first_order", "learned_gate"])
def test_a_shared_warm_up_changes_nothing(network: SensorStore, dataset: Dataset, scheme: str, criterion: str) -> None:
    """Bit for bit: another criterion's warm-up, at another sparsity, and then this one's way."""
    own = finish(compare(network, dataset, scheme=scheme, criterion=criterion).learned())
    sharing = compare(network, dataset, scheme=scheme, criterion=criterion).learned()
    sharing.training.continue_from(warm(compare(network, dataset, criterion="random", final=0.2)).training)
    finish(sharing)
    assert torch.equal(own.active, sharing.active)
    weights, same = own.training.model.state_dict(), sharing.training.model.state_dict()
    assert all(torch.equal(value, same[name]) for name, value in weights.items())
