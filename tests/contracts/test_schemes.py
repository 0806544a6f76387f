"""What every scheme, schedule and criterion must hold together."""

from itertools import pairwise, product
from typing import get_args

import numpy as np
import pytest
import torch

from dynst.data.sensor_table import Sensors
from dynst.errors import ConfigError
from dynst.sparsity.config import CriterionName, SchemeName, SparsityConfig, make_scheme
from dynst.sparsity.constraints.sensor_layout import Network
from dynst.sparsity.criteria import FixedScores
from dynst.sparsity.mask import num_active_at
from dynst.sparsity.scheme import Scheme, SensorDropout, supernet_scheme

S, STEPS = 23, 120
SCHEMES = get_args(get_args(SchemeName)[0])
SCHEDULES = ("constant", "linear", "cubic", "geometric")
CRITERIA = (*get_args(CriterionName), "coverage")
DECAYS = ("constant", "linear", "cosine")
EVERY_SCHEME = [
    (scheme, schedule, criterion, "cosine")
    for scheme, schedule, criterion in product(SCHEMES, SCHEDULES, CRITERIA)
]
EVERY_DECAY = [
    ("dynamic", "cubic", criterion, decay) for criterion, decay in product(CRITERIA, DECAYS[:2])
]
POSITIONS = np.random.default_rng(0).uniform(0, 1, (S, 2))
NETWORK = Network(Sensors(tuple(f"s{index}" for index in range(S)), POSITIONS), POSITIONS)


def settings(
    scheme: str, schedule: str, criterion: str, decay: str = "cosine", **more: object
) -> SparsityConfig:
    scored = (
        {"criterion": criterion}
        if criterion != "coverage"
        else {"criterion": "signed_first_order", "coverage": 0.7}
    )
    document = {
        "scheme": scheme,
        "schedule": schedule,
        "drop_decay": decay,
        "final": 0.6,
        "rounds": 7,
        "probe_every": 3,
    }
    return SparsityConfig.model_validate(document | scored | more)


def make(config: SparsityConfig, seed: int) -> Scheme:
    return make_scheme(config, S, STEPS, seed, network=NETWORK)


@pytest.fixture(params=EVERY_SCHEME + EVERY_DECAY, ids="-".join)
def config(request: pytest.FixtureRequest) -> SparsityConfig:
    return settings(*request.param)


def gradient(step: int) -> torch.Tensor:
    return torch.randn(S, generator=torch.Generator().manual_seed(step))


def play(scheme: Scheme, first: int = 0, last: int = STEPS) -> list[torch.Tensor]:
    masks = []
    for step in range(first, last):
        for number, sensors in enumerate(scheme.first_probes(step)):
            scheme.observe(sensors, gradient(STEPS + number)[sensors.index])
        scheme.update(step)
        sensors = scheme.sensors_at(step)
        if sensors.gates is not None:
            scheme.observe(sensors, gradient(step)[sensors.index])
        masks.append(scheme.active.clone())
    return masks


def test_counts_are_exact_and_sparsity_never_falls(config: SparsityConfig) -> None:
    scheme = make(config, seed=0)
    counts = [int(mask.sum()) for mask in play(scheme)]
    expected = [num_active_at(scheme.schedule.sparsity_at(step), S) for step in range(STEPS)]
    assert counts == expected
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == num_active_at(0.6, S)


def test_two_ranks_that_see_the_same_take_the_same_decisions(config: SparsityConfig) -> None:
    """Whatever torch's own random numbers are on each."""
    torch.manual_seed(1)
    one = play(make(config, seed=5))
    torch.manual_seed(2)
    other = play(make(config, seed=5))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert not torch.equal(one[-1], torch.ones(S, dtype=torch.bool))


@pytest.mark.parametrize("cut", [1, 55, 70, 89])
def test_state_survives_a_round_trip_at_any_step(config: SparsityConfig, cut: int) -> None:
    whole = play(make(config, seed=1))
    first = make(config, seed=1)
    play(first, 0, cut)
    second = make(config, seed=1)
    second.load_state_dict(first.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(play(second, cut), whole[cut:], strict=True))


def test_nothing_changes_after_the_mask_is_settled(config: SparsityConfig) -> None:
    scheme = make(config, seed=0)
    masks = play(scheme)
    settled = [step for step in range(STEPS) if scheme.is_settled(step)]
    assert settled
    assert all(torch.equal(masks[step], masks[-1]) for step in settled)
    assert all(scheme.sensors_at(step).gates is None for step in settled)


def test_a_fixed_step_reads_what_all_later_ones_do(config: SparsityConfig) -> None:
    scheme = make(config, seed=0)
    play(scheme)
    fixed = [step for step in range(STEPS) if scheme.is_fixed(step)]
    assert fixed == list(range(fixed[0], STEPS))
    assert fixed[0] < STEPS - 1
    for step in fixed:
        assert torch.equal(scheme.sensors_at(step).index, scheme.active.nonzero().squeeze(1))
        assert scheme.sensors_at(step).gates is None


def test_random_subsets_to_the_end_are_never_fixed() -> None:
    allowed = make(settings("dynamic", "cubic", "random"), seed=0).constraints
    supernet = supernet_scheme(allowed, SensorDropout(STEPS), 0)
    assert not any(supernet.is_fixed(step) for step in range(STEPS))


def test_equal_scores_are_settled_by_index(config: SparsityConfig) -> None:
    scheme = make_scheme(
        config.model_copy(update={"coverage": 0.0}),
        S,
        STEPS,
        0,
        criterion=FixedScores(torch.zeros(S)),
    )
    assert play(scheme)[-1].nonzero().squeeze(1).tolist() == list(range(num_active_at(0.6, S)))


def test_a_probe_hears_exactly_the_sensors_that_are_on(config: SparsityConfig) -> None:
    scheme = make(
        config.model_copy(update={"dropout": config.scheme == "searched"}), seed=0
    )  # a search has no probes
    probes = 0
    for step in range(STEPS):
        scheme.update(step)
        sensors = scheme.sensors_at(step)
        if sensors.gates is not None:
            probes += 1
            assert torch.equal(sensors.gates > 0, scheme.active)
            scheme.observe(sensors, gradient(step)[sensors.index])
    assert (probes > 10) == scheme.criterion.needs_probes


def test_scores_are_finite_and_asking_changes_nothing(config: SparsityConfig) -> None:
    scheme = make(config, seed=0)
    play(scheme)
    one, other = (scheme.criterion.scores(scheme.active) for _ in range(2))
    assert one.isfinite().all()
    assert torch.equal(one, other)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_constant_sparsity_goes_on_exchanging_until_it_stops(criterion: str) -> None:
    """SET and RigL: everything is off at once, and the last exchange comes after half of the
    updates.
    """
    scheme = make(settings("dynamic", "constant", criterion, "constant"), seed=0)
    masks = play(scheme)
    exchanges = [
        step for step, (before, after) in enumerate(pairwise(masks), 1) if (after & ~before).any()
    ]
    assert int(masks[scheme.schedule.start].sum()) == num_active_at(0.6, S)
    assert exchanges
    if criterion in ("signed_first_order", "random", "coverage"):
        assert exchanges[-1] > (scheme.schedule.start + scheme.schedule.stop) / 2


def test_coverage_keeps_sensors_apart() -> None:
    """With scores that say little, the kept sensors of a wide network lie further from one
    another.
    """
    gaps = {}
    for weight in (0.0, 3.0):
        masks = play(
            make(
                settings("iterative", "linear", "signed_first_order", coverage=weight, rounds=20),
                seed=0,
            )
        )
        kept = POSITIONS[masks[-1].numpy()]
        distance = np.linalg.norm(kept[:, None] - kept, axis=-1) + 9 * np.eye(len(kept))
        gaps[weight] = distance.min(1).mean()
    assert gaps[3.0] > 1.2 * gaps[0.0]


def test_dynamic_takes_sensors_back_and_iterative_does_not() -> None:
    grown = {}
    for name in ("dynamic", "iterative"):
        masks = play(make_scheme(settings(name, "cubic", "signed_first_order"), S, STEPS, seed=0))
        grown[name] = sum(int((after & ~before).sum()) for before, after in pairwise(masks))
    assert grown["dynamic"] > 0
    assert grown["iterative"] == 0


def test_warm_up_trains_on_changing_subsets_but_leaves_the_mask_whole() -> None:
    scheme = make_scheme(
        settings("iterative", "cubic", "random", start=0.5, stop=0.8), S, STEPS, seed=0
    )
    subsets = {tuple(scheme.sensors_at(step).index.tolist()) for step in range(40)}
    assert len(subsets) > 30
    assert scheme.active.all()


def test_a_warm_up_is_the_same_whatever_comes_after_it(config: SparsityConfig) -> None:
    """So that trainings which differ in scheme, criterion or sparsity can share it."""
    scheme, other = (
        make(config, seed=0),
        make(settings("one_shot", "cubic", "random", final=0.3), seed=0),
    )
    assert scheme.dropout is not None
    for step in range(scheme.dropout.until):
        one, same = scheme.sensors_at(step), other.sensors_at(step)
        assert torch.equal(one.index, same.index)
        assert one.gates is None
        assert same.gates is None


def test_importance_is_measured_in_changing_company_before_the_first_sensor_goes(
    config: SparsityConfig,
) -> None:
    scheme = make(config, seed=0)
    probes = {step: list(scheme.first_probes(step)) for step in range(STEPS)}
    assert [step for step, found in probes.items() if found] == [
        scheme.schedule.start
    ] * scheme.criterion.needs_probes
    for sensors in probes[scheme.schedule.start]:
        assert sensors.index.tolist() == list(range(S))
    heard = {
        tuple((sensors.gates > 0).tolist())
        for sensors in probes[scheme.schedule.start]
        if sensors.gates is not None
    }
    assert (len(heard) > 30) == scheme.criterion.needs_probes
    assert not list(
        make(
            config.model_copy(update={"dropout": config.scheme == "searched"}), seed=0
        ).first_probes(0)
    )


def test_importance_decides_who_goes() -> None:
    """A sensor whose gate lowers the loss most must stay, one whose gate raises it must go."""
    scheme = make_scheme(settings("iterative", "cubic", "signed_first_order"), S, STEPS, seed=0)
    helpful = torch.linspace(1, -1, S)
    for step in range(STEPS):
        for sensors in scheme.first_probes(step):
            scheme.observe(sensors, -helpful[sensors.index])
        scheme.update(step)
        sensors = scheme.sensors_at(step)
        if sensors.gates is not None:
            scheme.observe(sensors, -helpful[sensors.index])
    assert scheme.active.nonzero().squeeze(1).tolist() == list(range(num_active_at(0.6, S)))


def test_pruning_before_anything_was_measured_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"after the first measurements of importance.*raise sparsity\.start"
    ):
        make_scheme(
            settings("one_shot", "cubic", "signed_first_order", start=0.0, dropout=False),
            S,
            STEPS,
            seed=0,
        )
