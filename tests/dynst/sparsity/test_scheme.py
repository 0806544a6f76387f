"""Schemes whose choice comes from outside, and what a scheme is validated on."""

import pytest
import torch

from dynst.errors import ConfigError
from dynst.sparsity.config import SparsityConfig, at_sparsity, make_constraints, make_scheme
from dynst.sparsity.constraints.base import Unconstrained
from dynst.sparsity.constraints.constrained import PinExclude
from dynst.sparsity.constraints.sensor_layout import Network
from dynst.sparsity.criteria import LearnedGate
from dynst.sparsity.mask import num_active_at
from dynst.sparsity.scheme import Scheme, SensorDropout, dense_scheme, fixed_scheme, supernet_scheme
from tests.contracts.test_constraints import KINDS, STEPS, S, make_network

START = 0.4 * STEPS


def searched(network: Network | None = None, **settings: object) -> Scheme:
    config = SparsityConfig.model_validate({"scheme": "searched"} | settings)
    return make_scheme(config, S, STEPS, 0, network=network or make_network())


def some(scheme: Scheme) -> torch.Tensor:
    scores = torch.randn(S, generator=torch.Generator().manual_seed(3))
    return scheme.constraints.prune(scheme.constraints.allowed(), scores, scheme.schedule.final)


def test_the_warm_up_is_validated_on_the_same_choices_of_spread_densities() -> None:
    scheme = searched(make_network(pinned=[3, 4], excluded=[0]), dropout_density=(0.25, 1.0))
    choices = scheme.val_choices(1)
    assert [int(choice.sum()) for choice in choices] == [6, 12, 17, 23]
    assert all(choice[3] and choice[4] and not choice[0] for choice in choices)
    for step in (2, 15, int(START)):
        assert all(
            torch.equal(one, other)
            for one, other in zip(choices, scheme.val_choices(step), strict=True)
        )


def test_after_the_warm_up_the_mask_is_validated() -> None:
    scheme = searched()
    scheme.update(int(START))
    (choice,) = scheme.val_choices(int(START) + 1)
    assert torch.equal(choice, scheme.active)
    assert int(choice.sum()) == S // 2


def test_without_dropout_the_mask_is_validated_from_the_first_step() -> None:
    (choice,) = dense_scheme(S).val_choices(1)
    assert choice.all()


def test_a_search_whose_network_never_did_without_a_sensor_is_refused() -> None:
    with pytest.raises(
        ConfigError,
        match=r"has learned to do without any sensor, but sparsity\.dropout is false; set it to "
        r"true",
    ):
        searched(dropout=False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_decision_stands_whatever_comes_later(kind: str) -> None:
    settings, columns = KINDS[kind]
    scheme = searched(make_network(**columns), **settings)  # type: ignore[arg-type]
    before, choice = scheme.active.clone(), some(scheme)
    importance = -torch.arange(S).double()
    update = scheme.decide(20, choice, importance)
    assert update.step == 20
    assert torch.equal(update.active, choice)
    assert torch.equal(update.importance, importance)
    assert list(update.pruned) == (before & ~choice).nonzero().squeeze(1).tolist()
    assert update.dropped == update.grown == ()
    assert update.sparsity == pytest.approx(1 - float(choice.sum()) / S)

    again = searched(make_network(**columns), **settings)  # type: ignore[arg-type]
    again.load_state_dict(scheme.state_dict())
    for one in (scheme, again):
        later = [found for step in range(20, STEPS) if (found := one.update(step))]
        assert later
        assert all(torch.equal(found.active, choice) for found in later)
        assert not any(found.pruned or found.grown or found.dropped for found in later)
        assert torch.equal(one.active, choice)
        assert torch.equal(one.criterion.scores(one.active), importance)
        assert torch.equal(one.ever_active, before), "what was on in the warm-up"


def test_a_decision_is_a_copy() -> None:
    scheme = searched()
    choice = some(scheme)
    update = scheme.decide(5, choice, torch.zeros(S))
    choice[:] = False
    assert int(scheme.active.sum()) == int(update.active.sum()) == S // 2


def test_a_fixed_scheme_keeps_its_choice() -> None:
    choice = torch.arange(S) % 3 == 0
    scheme = fixed_scheme(choice)
    for step in range(5):
        scheme.update(step)
        sensors = scheme.sensors_at(step)
        assert sensors.gates is None
        assert sensors.index.tolist() == list(range(0, S, 3))
        assert [found.tolist() for found in scheme.val_choices(step)] == [choice.tolist()]


def test_a_shared_scheme_trains_on_subsets_to_the_end() -> None:
    marks = torch.arange(S)
    scheme = supernet_scheme(
        PinExclude(marks == 7, marks == 2), SensorDropout(STEPS, (0.2, 0.8), (7,)), seed=0
    )
    subsets = []
    for step in range(STEPS):
        scheme.update(step)
        sensors = scheme.sensors_at(step)
        assert sensors.gates is None
        subsets.append(frozenset(sensors.index.tolist()))
    assert len(set(subsets)) > 0.9 * STEPS
    assert len({len(subset) for subset in subsets[-20:]}) > 3
    assert all(7 in subset and 2 not in subset for subset in subsets)
    assert all(0.2 * 23 - 1 <= len(subset) <= 0.8 * 23 + 1 for subset in subsets)
    choices = scheme.val_choices(STEPS)
    assert [int(choice.sum()) for choice in choices] == [5, 9, 14, 18]
    assert scheme.is_settled(STEPS), "so that the best epoch is kept"
    assert int(scheme.active.sum()) == 23, "all that may be read"


def test_two_seeds_see_other_subsets() -> None:
    one, other = (supernet_scheme(Unconstrained(S), SensorDropout(STEPS), seed) for seed in (0, 1))
    assert one.sensors_at(3).index.tolist() != other.sensors_at(3).index.tolist()


def test_another_sparsity_takes_the_place_of_share_and_budget() -> None:
    network = make_network(costs=True, excluded=[5])
    for config in (SparsityConfig(budget=3.0), SparsityConfig(final=0.2)):
        constraints = make_constraints(at_sparsity(config, 0.75), network)
        kept = constraints.prune(constraints.allowed(), torch.randn(S), 0.75)
        assert int(kept.sum()) == num_active_at(0.75, S) == 6
        assert not kept[5]


def test_a_probe_hears_no_more_candidates_than_asked_for_and_in_time_all_of_them() -> None:
    scheme = make_scheme(
        SparsityConfig(final=0.5, candidates=2, dropout=False, probe_every=1), S, STEPS, 0
    )
    scheme.active = torch.arange(S) % 2 == 0
    probes = [scheme.sensors_at(step) for step in range(40)]
    heard = torch.zeros(S, dtype=torch.bool)
    for probe in probes:
        assert probe.gates is not None
        assert torch.equal(probe.index[probe.gates > 0], scheme.active.nonzero().squeeze(1))
        assert int((probe.gates == 0).sum()) == 2
        heard[probe.index] = True
    assert heard.all()
    assert torch.equal(probes[3].index, scheme.sensors_at(3).index)


def test_the_first_probes_hear_as_many_candidates_as_asked_for_in_ever_other_company() -> None:
    config = SparsityConfig(final=0.5, candidates=2, dropout_density=(0.5, 0.5))
    probes = list(make_scheme(config, S, STEPS, 0).first_probes(int(START)))
    assert len(probes) == 50
    off = []
    for probe in probes:
        assert probe.gates is not None
        assert int((probe.gates > 0).sum()) == S // 2
        off.append(tuple(probe.index[probe.gates == 0].tolist()))
    assert {len(candidates) for candidates in off} == {2}
    assert len(set(off)) > 25


def test_no_choice_for_validation_grew_from_a_subset_that_is_trained_on() -> None:
    """Drawn from one order of the sensors, the smaller of two choices would lie within the
    larger.
    """
    scheme = searched(dropout_density=(0.3, 0.6))
    trained = [set(scheme.sensors_at(step).index.tolist()) for step in range(int(START))]
    for choice in scheme.val_choices(1):
        evaluated_on = set(choice.nonzero().squeeze(1).tolist())
        assert not any(subset <= evaluated_on or evaluated_on <= subset for subset in trained)


def test_a_criterion_of_gates_learns_nothing_from_a_probe_without_active_sensors() -> None:
    gate = LearnedGate(S)
    gate.observe(torch.full((S,), float("nan")).double(), torch.ones(S, dtype=torch.bool))
    assert torch.equal(gate.scores(torch.ones(S, dtype=torch.bool)), torch.ones(S).double())
    assert gate.usual.tolist() == [0, 0]
