"""What every scheme, schedule and criterion must hold together."""

from itertools import pairwise, product

import pytest
import torch

from dynst.errors import ConfigError
from dynst.sparsity.config import SparsityConfig, make_scheme
from dynst.sparsity.mask import num_active_at
from dynst.sparsity.scheme import Scheme

S, STEPS = 23, 120
SCHEMES, SCHEDULES, CRITERIA = ("dynamic", "iterative", "one_shot"), ("cubic", "geometric"), ("signed_first_order", "random")


def settings(scheme: str, schedule: str, criterion: str, **more: object) -> SparsityConfig:
    document = {"scheme": scheme, "schedule": schedule, "criterion": criterion, "final": 0.6, "rounds": 7, "probe_every": 3}
    return SparsityConfig.model_validate(document | more)


@pytest.fixture(params=list(product(SCHEMES, SCHEDULES, CRITERIA)), ids="-".join)
def config(request: pytest.FixtureRequest) -> SparsityConfig:
    return settings(*request.param)


def gradient(step: int) -> torch.Tensor:
    return torch.randn(S, generator=torch.Generator().manual_seed(step))


def play(scheme: Scheme, first: int = 0, last: int = STEPS) -> list[torch.Tensor]:
    masks = []
    for step in range(first, last):
        scheme.update(step)
        sensors = scheme.sensors_at(step)
        if sensors.gates is not None:
            scheme.observe(sensors, gradient(step)[sensors.index])
        masks.append(scheme.active.clone())
    return masks


def test_counts_are_exact_and_sparsity_never_falls(config: SparsityConfig) -> None:
    scheme = make_scheme(config, S, STEPS, seed=0)
    counts = [int(mask.sum()) for mask in play(scheme)]
    expected = [num_active_at(scheme.schedule.sparsity_at(step), S) for step in range(STEPS)]
    assert counts == expected
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == num_active_at(0.6, S)


def test_two_ranks_that_see_the_same_take_the_same_decisions(config: SparsityConfig) -> None:
    one, other = (play(make_scheme(config, S, STEPS, seed=5)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("cut", [1, 55, 70, 89])
def test_state_survives_a_round_trip_at_any_step(config: SparsityConfig, cut: int) -> None:
    whole = play(make_scheme(config, S, STEPS, seed=1))
    first = make_scheme(config, S, STEPS, seed=1)
    play(first, 0, cut)
    second = make_scheme(config, S, STEPS, seed=1)
    second.load_state_dict(first.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(play(second, cut), whole[cut:], strict=True))


def test_nothing_changes_after_the_mask_is_settled(config: SparsityConfig) -> None:
    scheme = make_scheme(config, S, STEPS, seed=0)
    masks = play(scheme)
    settled = [step for step in range(STEPS) if scheme.is_settled(step)]
    assert settled
    assert all(torch.equal(masks[step], masks[-1]) for step in settled)
    assert all(scheme.sensors_at(step).gates is None for step in settled)


def test_dynamic_takes_sensors_back_and_iterative_does_not() -> None:
    grown = {}
    for name in ("dynamic", "iterative"):
        masks = play(make_scheme(settings(name, "cubic", "signed_first_order"), S, STEPS, seed=0))
        grown[name] = sum(int((after & ~before).sum()) for before, after in pairwise(masks))
    assert grown["dynamic"] > 0
    assert grown["iterative"] == 0


def test_warm_up_trains_on_changing_subsets_but_leaves_the_mask_whole() -> None:
    scheme = make_scheme(settings("iterative", "cubic", "random", start=0.5, stop=0.8), S, STEPS, seed=0)
    subsets = {tuple(scheme.sensors_at(step).index.tolist()) for step in range(40)}
    assert len(subsets) > 30
    assert scheme.active.all()


def test_importance_decides_who_goes() -> None:
    """A sensor whose gate lowers the loss most must stay, one whose gate raises it must go."""
    scheme = make_scheme(settings("iterative", "cubic", "signed_first_order"), S, STEPS, seed=0)
    helpful = torch.linspace(1, -1, S)
    for step in range(STEPS):
        scheme.update(step)
        sensors = scheme.sensors_at(step)
        if sensors.gates is not None:
            scheme.observe(sensors, -helpful[sensors.index])
    assert scheme.active.nonzero().squeeze(1).tolist() == list(range(num_active_at(0.6, S)))


def test_pruning_before_anything_was_measured_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"after the first measurements of importance.*raise sparsity\.start"):
        make_scheme(settings("one_shot", "cubic", "signed_first_order", start=0.0), S, STEPS, seed=0)
