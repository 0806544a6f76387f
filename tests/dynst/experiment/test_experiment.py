"""The arms whose sensors are chosen without scores from a training, or by a search."""

import pytest
import torch

from dynst.data.mapped_series import MappedSeries
from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst.evaluation.naive import persistence_errors, seasonal_naive_errors
from dynst.experiment.arms import Arm
from dynst.experiment.config import ExperimentConfig
from dynst.experiment.dataset import Dataset, make_dataset
from dynst.experiment.experiment import Experiment
from dynst.experiment.protocol import search, select
from dynst.models.factory import ModelConfig
from dynst.selection.baselines import RANKINGS
from dynst.selection.search import SearchConfig
from dynst.sparsity.config import SparsityConfig
from dynst.training.config import Recipe
from dynst.training.trainer import EpochResult
from tests.conftest import SMALL

MODEL = ModelConfig(window=6, horizon=3, hidden=16, backbone=SMALL, embedding=4)
RECIPE = Recipe(epochs=5, steps_per_epoch=4, batch_size=16)
SEARCH = SearchConfig(elimination_rounds=2, rounds=2, proposals=2)
MARKS = {"pinned": ("s1",), "excluded": ("s2", "s3")}


@pytest.fixture(scope="module")
def dataset(network: SensorStore) -> Dataset:
    return make_dataset(network, MODEL)


def compare(
    network: SensorStore, dataset: Dataset, search: SearchConfig = SEARCH, **settings: object
) -> Experiment:
    sparsity = SparsityConfig.model_validate(
        {"final": 0.5, "rounds": 3, "probe_every": 1} | settings
    )
    return Experiment(
        network,
        ExperimentConfig(model=MODEL, training=RECIPE, sparsity=sparsity, search=search),
        dataset=dataset,
    )


def finish(arm: Arm) -> Arm:
    for _ in arm.training.run():
        pass
    return arm


def warm(experiment: Experiment) -> Arm:
    learned = experiment.learned()
    list(learned.training.run(experiment.warm_epochs(learned)))
    return learned


@pytest.mark.parametrize("name", RANKINGS)
@pytest.mark.parametrize("scheme", ["dynamic", "searched"])
def test_a_baseline_keeps_what_its_ranking_prefers(
    network: SensorStore, dataset: Dataset, name: str, scheme: str
) -> None:
    experiment = compare(network, dataset, scheme=scheme, **MARKS)
    arm = experiment.ranked(name)
    assert (arm.name, arm.kind) == (name, "baseline")
    constraints, sparsity = experiment.final_constraints()
    scores = experiment.selector.ranked(name, constraints, sparsity, 0)
    arm.training.continue_from(warm(experiment).training)
    updates = [update for report in arm.training.run() for update in report.updates]
    assert len(updates) == 1, "at once, where the learned one begins to prune"
    assert torch.equal(arm.active, constraints.prune(constraints.allowed(), scores, sparsity))
    assert arm.active[1]
    assert not arm.active[2:4].any()
    assert int(arm.active.sum()) == 4


@pytest.mark.parametrize("kept", [[0], [2, 3, 5], list(range(8))])
def test_a_given_choice_is_kept_whatever_the_job_demands(
    network: SensorStore, dataset: Dataset, kept: list[int]
) -> None:
    experiment = compare(network, dataset, min_distance=0.05, **MARKS)
    active = torch.zeros(8, dtype=torch.bool)
    active[kept] = True
    arm = experiment.given(active)
    assert arm.active.all(), "until the others prune too"
    arm.training.continue_from(warm(experiment).training)
    assert finish(arm).active.nonzero().squeeze(1).tolist() == kept


def test_a_given_choice_goes_back_to_the_same_weights_as_the_others(
    network: SensorStore, dataset: Dataset
) -> None:
    """The rewind step, 7, is after the shared warm-up of one epoch of 4 and before the first
    pruning, at 7.
    """
    experiment = compare(network, dataset, start=0.36, rewind=0.36)
    assert (
        experiment.given(torch.arange(8) < 3).training.rewind
        == experiment.random(0).training.rewind
        == 7
    )


def test_a_searched_choice_is_what_the_search_finds(network: SensorStore, dataset: Dataset) -> None:
    experiment = compare(network, dataset, scheme="searched", **MARKS)
    learned, other = warm(experiment), warm(experiment)
    evaluator = experiment.selector.evaluator(other.training.model, SEARCH)
    found = experiment.selector.search(evaluator, experiment.search_problem)
    importance = evaluator.importance(found.active)
    select(experiment, learned)
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
    assert not any(
        change.pruned or change.grown
        for report in reports
        for change in report.updates
        if change is not update
    )


def test_several_seeds_search_with_networks_of_their_own_and_vote(
    network: SensorStore, dataset: Dataset
) -> None:
    two = SEARCH.model_copy(update={"seeds": 2})
    experiment = compare(network, dataset, two, scheme="searched")
    ends: list[torch.Tensor] = []
    epochs: list[EpochResult] = []
    for seed in (experiment.config.seed, experiment.config.seed + 1):
        own = experiment.of_seed(seed)
        found = search(own, warm(own))[1]
        assert found.verdict is not None
        ends.append(found.verdict.searched)
    learned = warm(experiment)
    evaluator = experiment.selector.evaluator(learned.training.model, SEARCH)
    agreed = experiment.selector.agreed(evaluator, experiment.search_problem, ends)
    found = select(experiment, learned, epochs.append)
    assert found is not None
    assert found.verdict is not None
    assert found.verdict.seeds == 2
    assert torch.equal(learned.active, agreed.active)
    assert len(epochs) == experiment.warm_epochs(learned), "of the other network"


def test_an_evaluator_leaves_the_network_as_it_was(network: SensorStore, dataset: Dataset) -> None:
    """Its gradients are of gates, and move no weight."""
    experiment = compare(network, dataset, scheme="searched")
    learned, other = warm(experiment), warm(experiment)
    select(experiment, learned)
    for a, b in zip(
        learned.training.model.parameters(), other.training.model.parameters(), strict=True
    ):
        assert torch.equal(a, b)


def test_a_searched_choice_goes_back_to_the_weights_of_rewind_too(
    network: SensorStore, dataset: Dataset
) -> None:
    experiment = compare(network, dataset, scheme="searched", rewind=0.1)
    learned = warm(experiment)
    assert learned.training._optimizer.state
    select(experiment, learned)
    assert not learned.training._optimizer.state
    weights = learned.training.model.state_dict()
    assert all(
        torch.equal(weights[name], value) for name, value in learned.training.rewound_to.items()
    )
    assert learned.training.rewound_to


@pytest.mark.parametrize("scheme", ["dynamic", "iterative", "one_shot"])
def test_other_schemes_decide_for_themselves(
    network: SensorStore, dataset: Dataset, scheme: str
) -> None:
    experiment = compare(network, dataset, scheme=scheme)
    learned = warm(experiment)
    before = learned.training.scheme.state_dict()
    select(experiment, learned)
    after = learned.training.scheme.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert learned.active.all()


@pytest.mark.parametrize("scheme", ["dynamic", "iterative", "one_shot"])
@pytest.mark.parametrize("criterion", ["signed_first_order", "learned_gate"])
def test_a_shared_warm_up_changes_nothing(
    network: SensorStore, dataset: Dataset, scheme: str, criterion: str
) -> None:
    """Bit for bit: another criterion's warm-up, at another sparsity, and then this one's way."""
    own = finish(compare(network, dataset, scheme=scheme, criterion=criterion).learned())
    sharing = compare(network, dataset, scheme=scheme, criterion=criterion).learned()
    sharing.training.continue_from(
        warm(compare(network, dataset, criterion="random", final=0.2)).training
    )
    finish(sharing)
    assert torch.equal(own.active, sharing.active)
    weights, same = own.training.model.state_dict(), sharing.training.model.state_dict()
    assert all(torch.equal(value, same[name]) for name, value in weights.items())


@pytest.mark.parametrize(
    ("start", "epochs", "remedy"),
    [
        (0.4, 2, "raise sparsity.start to 0.5, or training.epochs to 3$"),
        (0.1, 3, "raise sparsity.start to 0.34, or training.epochs to 10$"),
        (0.4, 1, "raise training.epochs to 3$"),
    ],
)
def test_a_search_without_warm_up_names_what_would_do(
    network: SensorStore, dataset: Dataset, start: float, epochs: int, remedy: str
) -> None:
    experiment = Experiment(
        network,
        ExperimentConfig(
            model=MODEL,
            training=RECIPE.model_copy(update={"epochs": epochs}),
            sparsity=SparsityConfig(final=0.5, rounds=3, scheme="searched", start=start),
            search=SEARCH,
        ),
        dataset=dataset,
    )
    with pytest.raises(ConfigError, match=remedy):
        experiment.check_scheme()


def test_a_training_on_a_mapped_series_is_the_same(network: SensorStore, dataset: Dataset) -> None:
    mapped = make_dataset(network, MODEL, mapped=True)
    one, other = (compare(network, data).learned() for data in (dataset, mapped))
    assert isinstance(mapped.train.series, MappedSeries)
    for expected, found in zip(one.training.run(), other.training.run(), strict=True):
        assert found.train_loss == pytest.approx(expected.train_loss, rel=1e-5)
        assert found.val_mae == pytest.approx(expected.val_mae, rel=1e-5)
    assert torch.equal(one.active, other.active)
    for named in (persistence_errors, seasonal_naive_errors):
        expected, found = (named(data.test, data.scaler) for data in (dataset, mapped))
        assert found.mae() == pytest.approx(expected.mae(), rel=1e-5)


@pytest.mark.parametrize(
    ("sharding", "parts", "free", "mapped"),
    [
        ("windows", 1, 2**30, False),
        ("windows", 1, 1000, True),
        ("time", 1, 2**30, True),
        ("time", 2, 2**30, False),
    ],
)
def test_a_series_is_mapped_where_memory_is_short_or_workers_share_the_time(
    network: SensorStore,
    sharding: str,
    parts: int,
    free: int,
    mapped: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dynst.experiment.dataset.free_memory", lambda: free)
    recipe = Recipe.model_validate({"sharding": sharding, "parts": parts})
    made = Experiment(network, ExperimentConfig(model=MODEL, training=recipe)).dataset
    assert all(
        isinstance(part.series, MappedSeries) == mapped
        for part in (made.train, made.val, made.test)
    )
