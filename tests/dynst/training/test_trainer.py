"""The loop on a small network: it learns, it is exact, and it can be cut anywhere."""

from contextlib import nullcontext

import pytest
import torch

from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst.evaluation.naive import persistence_errors
from dynst.experiment.arms import Arm
from dynst.experiment.config import ExperimentConfig
from dynst.experiment.experiment import Experiment
from dynst.experiment.protocol import evaluate
from dynst.models.factory import ModelConfig
from dynst.sparsity.config import SparsityConfig
from dynst.sparsity.mask import MaskUpdate
from dynst.sparsity.scheme import FIRST_PROBES
from dynst.training.config import Recipe
from tests.conftest import SMALL

RECIPE = Recipe(epochs=6, steps_per_epoch=10, batch_size=32)
SPARSITY = SparsityConfig(final=0.5, rounds=5, probe_every=2)


@pytest.fixture
def experiment(network: SensorStore) -> Experiment:
    model = ModelConfig(window=6, horizon=3, hidden=16, backbone=SMALL, embedding=4)
    return Experiment(network, ExperimentConfig(model=model, training=RECIPE, sparsity=SPARSITY))


def finish(arm: Arm) -> Arm:
    for _ in arm.training.run():
        pass
    return arm


def test_dense_training_beats_persistence(experiment: Experiment) -> None:
    arm = finish(experiment.dense())
    naive = persistence_errors(experiment.dataset.test, experiment.dataset.scaler).mae()
    assert evaluate(experiment, arm).errors.mae() < 0.8 * naive


def test_learned_arm_ends_with_exactly_the_sensors_asked_for(experiment: Experiment) -> None:
    arm = experiment.learned()
    reports = list(arm.training.run())
    assert int(arm.active.sum()) == 4
    assert [report.epoch for report in reports] == list(range(1, 7))
    assert [report.sparsity for report in reports] == sorted(report.sparsity for report in reports)
    assert any(update.pruned for report in reports for update in report.updates)


def test_two_runs_with_one_seed_are_bit_for_bit_equal(experiment: Experiment) -> None:
    one, other = (finish(experiment.learned()).training for _ in range(2))
    assert torch.equal(one.scheme.active, other.scheme.active)
    for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("cut", [1, 3, 5])
def test_resuming_gives_what_an_uninterrupted_run_gives(experiment: Experiment, cut: int) -> None:
    whole = finish(experiment.learned()).training
    first, second = experiment.learned().training, experiment.learned().training
    list(first.run(cut))
    second.load_state_dict(first.state_dict())
    list(second.run())
    assert torch.equal(whole.scheme.active, second.scheme.active)
    for a, b in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_arms_share_the_warm_up_but_not_the_choice(experiment: Experiment) -> None:
    learned, random = experiment.learned(), experiment.random(0)
    list(learned.training.run(experiment.warm_epochs(learned)))
    random.training.continue_from(learned.training)
    assert random.training.step == learned.training.step == 20
    finish(learned)
    finish(random)
    assert int(random.active.sum()) == int(learned.active.sum())
    assert not torch.equal(random.active, learned.active)


def test_a_shared_warm_up_never_passes_the_first_update(network: SensorStore) -> None:
    """0.35 · 20 is 7 epochs of 9 steps, but 0.35 · 180 is step 62: the seventh epoch is not
    shared.
    """
    model = ModelConfig(window=6, horizon=3, hidden=16, backbone=SMALL, embedding=4)
    recipe = Recipe(epochs=20, steps_per_epoch=9, batch_size=8)
    sparsity = SparsityConfig(final=0.5, start=0.35, rounds=3)
    experiment = Experiment(
        network, ExperimentConfig(model=model, training=recipe, sparsity=sparsity)
    )
    learned, random = experiment.learned(), experiment.random(0)
    assert experiment.warm_epochs(learned) == 6
    list(learned.training.run(experiment.warm_epochs(learned)))
    random.training.continue_from(learned.training)
    assert int(finish(random).active.sum()) == 4


def test_taking_over_a_warm_up_leaves_the_other_training_alone(experiment: Experiment) -> None:
    learned, random = experiment.learned(), experiment.random(0)
    list(learned.training.run(experiment.warm_epochs(learned)))
    random.training.continue_from(learned.training)
    finish(random)
    alone = finish(experiment.learned())
    finish(learned)
    for a, b in zip(
        learned.training.model.parameters(), alone.training.model.parameters(), strict=True
    ):
        assert torch.equal(a, b)


def test_the_best_settled_weights_are_kept(experiment: Experiment) -> None:
    training = experiment.learned().training
    reports = list(training.run())
    assert training.best is not None
    settled = [report.val_mae for report in reports if training.scheme.is_settled(report.step)]
    assert training.best[0] == min(settled)


def test_all_arms_but_the_dense_one_keep_the_constraints(network: SensorStore) -> None:
    model = ModelConfig(window=6, horizon=3, hidden=16, backbone=SMALL, embedding=4)
    settings = {"budget": None, "pinned": ("s1",), "excluded": ("s2", "s3"), "min_distance": 0.05}
    sparsity = SPARSITY.model_copy(update=settings)
    experiment = Experiment(
        network, ExperimentConfig(model=model, training=RECIPE, sparsity=sparsity)
    )
    assert experiment.dense().active.all()
    for arm in (experiment.learned(), experiment.random(0)):
        assert arm.active.tolist() == [True, True, False, False, True, True, True, True]
        finish(arm)
        assert arm.active[1]
        assert not arm.active[2:4].any()
        assert int(arm.active.sum()) == 4


@pytest.mark.parametrize("criterion", ["absolute_gradient", "learned_gate", "random"])
def test_every_criterion_trains_to_the_end_and_resumes(
    network: SensorStore, criterion: str
) -> None:
    model = ModelConfig(window=6, horizon=3, hidden=16, backbone=SMALL, embedding=4)
    sparsity = SPARSITY.model_copy(update={"criterion": criterion, "coverage": 0.5})
    experiment = Experiment(
        network, ExperimentConfig(model=model, training=RECIPE, sparsity=sparsity)
    )
    whole, first, second = (experiment.learned().training for _ in range(3))
    list(whole.run())
    list(first.run(3))
    second.load_state_dict(first.state_dict())
    list(second.run())
    assert int(whole.scheme.active.sum()) == 4
    assert torch.equal(whole.scheme.active, second.scheme.active)
    for a, b in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.fixture
def rewinding(network: SensorStore) -> Experiment:
    model = ModelConfig(window=6, horizon=3, hidden=16, backbone=SMALL, embedding=4)
    sparsity = SPARSITY.model_copy(update={"rewind": 0.1, "schedule": "linear"})
    return Experiment(network, ExperimentConfig(model=model, training=RECIPE, sparsity=sparsity))


def test_every_pruning_goes_back_to_the_same_weights(
    rewinding: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen from the first forward pass after each update: step 6 of 60, and the pruned steps, start
    from equal weights.
    """
    training = rewinding.learned().training
    starts: dict[int, torch.Tensor] = {}
    step, update = training._train_step, training._update
    pruned: set[int] = set()

    def watch_step(index: torch.Tensor) -> torch.Tensor:
        starts[training.step] = (
            torch.nn.utils.parameters_to_vector(training.model.parameters()).detach().clone()
        )
        return step(index)

    def watch_update() -> list[MaskUpdate]:
        done = update()
        pruned.update(change.step for change in done if change.pruned)
        return done

    monkeypatch.setattr(training, "_train_step", watch_step)
    monkeypatch.setattr(training, "_update", watch_update)
    list(training.run())
    assert len(pruned) >= 3
    assert all(torch.equal(starts[step], starts[6]) for step in pruned)
    assert not any(torch.equal(starts[step], starts[6]) for step in set(starts) - pruned - {6})


def test_rewinding_gives_the_optimizer_a_fresh_start(rewinding: Experiment) -> None:
    training = rewinding.learned().training
    list(training.run())
    steps = {int(state["step"]) for state in training._optimizer.state.values()}
    assert max(steps) < 60 - 0.4 * 60
    assert not training.scheme.active.all()


@pytest.mark.parametrize("cut", [1, 3, 4])
def test_a_rewinding_training_resumes_as_if_it_had_not_stopped(
    rewinding: Experiment, cut: int
) -> None:
    whole = finish(rewinding.learned()).training
    first, second = rewinding.learned().training, rewinding.learned().training
    list(first.run(cut))
    second.load_state_dict(first.state_dict())
    list(second.run())
    for a, b in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_rewinding_behind_the_first_pruning_is_refused(
    network: SensorStore, rewinding: Experiment
) -> None:
    late = SPARSITY.model_copy(update={"rewind": 0.5})
    config = ExperimentConfig(model=rewinding.config.model, training=RECIPE, sparsity=late)
    with pytest.raises(
        ConfigError,
        match=r"sparsity\.rewind must be at most sparsity\.start \(0\.4\), but got 0\.5; lower it",
    ):
        Experiment(network, config, dataset=rewinding.dataset)


def test_learning_rate_rises_then_falls_to_zero() -> None:
    rates = [RECIPE.learning_rate_at(step, 100) for step in range(101)]
    assert rates[4] == max(rates) == RECIPE.learning_rate
    assert rates[100] == 0
    assert rates[0] < rates[4]


def test_every_batch_and_probe_is_computed_in_its_context(experiment: Experiment) -> None:
    training, probes = experiment.learned().training, list[bool]()
    training.batch_context = lambda sensors: nullcontext(probes.append(sensors.gates is not None))
    list(training.run())
    assert len(probes) == training.total_steps + FIRST_PROBES
    assert FIRST_PROBES < probes.count(True) < len(probes)
