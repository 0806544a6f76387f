"""Every kind of constraint on random networks: choices satisfy it and are the best that do, or it
is refused with the reason.
"""

from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
import torch

from dynst.data.edges import Edges
from dynst.data.manifest import Channel
from dynst.data.sensor_table import Sensors
from dynst.data.store import open_store
from dynst.data.writer import Origin, StoreWriter
from dynst.errors import ConfigError
from dynst.sparsity.config import SparsityConfig, make_constraints, make_scheme
from dynst.sparsity.constraints.constrained import Constrained
from dynst.sparsity.constraints.sensor_layout import Network, network_of
from dynst.sparsity.constraints.spec import make_constraint_spec
from dynst.sparsity.criteria import FixedScores, RandomScore
from dynst.sparsity.mask import drop_and_grow, num_active_at, prune_to
from dynst.sparsity.scheme import Scheme

S, STEPS = 24, 80

KINDS: dict[
    str, tuple[dict[str, object], dict[str, object]]
] = {  # settings, columns of the sensors' table
    "pinned": ({"final": 0.6}, {"pinned": [2, 3, 11]}),
    "excluded": ({"final": 0.6}, {"excluded": [0, 1, 2, 20]}),
    "grouped": ({"final": 0.5}, {"groups": {"a": [0, 5, 9], "b": [1, 2], "c": [20, 21, 22]}}),
    "apart": ({"final": 0.7, "min_distance": 0.2}, {}),
    "budget": ({"budget": 25.0}, {"costs": True}),
    "budget apart": ({"budget": 20.0, "min_distance": 0.15}, {"costs": True, "pinned": [4]}),
    "everything": (
        {"final": 0.75, "min_distance": 0.15},
        {"groups": {"a": [0, 5], "b": [1, 2]}, "pinned": [7], "excluded": [3, 9]},
    ),
    "everything with a budget": (
        {"budget": 20.0, "min_distance": 0.1},
        {"costs": True, "groups": {"a": [0, 5], "b": [1, 2]}, "pinned": [7], "excluded": [3, 9]},
    ),
}


def make_network(
    seed: int = 0,
    num_sensors: int = S,
    pinned: list[int] | None = None,
    excluded: list[int] | None = None,
    groups: dict[str, list[int]] | None = None,
    costs: bool = False,
) -> Network:
    rng = np.random.default_rng(seed)
    positions = rng.uniform(0, 1, (num_sensors, 2))
    group = {index: name for name, members in (groups or {}).items() for index in members}
    sensors = Sensors(
        ids=tuple(f"s{index}" for index in range(num_sensors)),
        positions=positions,
        cost=rng.uniform(0.5, 4, num_sensors) if costs else np.ones(num_sensors),
        group=tuple(group.get(index, "") for index in range(num_sensors)),
        pinned=np.isin(np.arange(num_sensors), pinned or []),
        excluded=np.isin(np.arange(num_sensors), excluded or []),
    )
    return Network(sensors, positions)


@pytest.fixture(params=list(product(KINDS, range(2))), ids=lambda value: f"{value[0]}-{value[1]}")
def case(request: pytest.FixtureRequest) -> tuple[SparsityConfig, Network]:
    kind, seed = request.param
    settings, columns = KINDS[kind]
    config = SparsityConfig.model_validate(
        settings | {"rounds": 7, "drop_decay": "constant", "dropout": False}
    )
    return config, make_network(seed, **columns)  # type: ignore[arg-type]


class Noise(FixedScores):
    """Importances that are drawn anew for each mask, half of them negative: the worst that a
    criterion can do.
    """

    def __init__(self) -> None:
        super().__init__(torch.zeros(S))
        self.number = 0

    def begin_update(self) -> None:
        self.number += 1
        self._scores = torch.randn(
            S, generator=torch.Generator().manual_seed(self.number), dtype=torch.float64
        )


def play(config: SparsityConfig, network: Network, scheme: str) -> list[tuple[float, torch.Tensor]]:
    made = make_scheme(
        config.model_copy(update={"scheme": scheme}),
        S,
        STEPS,
        0,
        network=network,
        criterion=Noise(),
    )
    updates = [made.update(step) for step in range(STEPS)]
    sparsity = made.schedule.sparsity_at
    return [
        (sparsity(update.step) / made.schedule.final, update.active)
        for update in updates
        if update is not None
    ]


def broken(config: SparsityConfig, network: Network, active: torch.Tensor) -> list[str]:
    """Which demands a final choice breaks, in words and without any of the code under test."""
    sensors, on = network.sensors, active.numpy()
    assert network.points is not None
    problems = broken_marks(network, active)
    if config.budget is None and on.sum() != num_active_at(config.final or 0.5, len(on)):
        problems.append(f"{on.sum()} sensors")
    if config.budget is not None and sensors.cost[on].sum() > config.budget * (1 + 1e-6):
        problems.append("too dear")
    gaps = np.linalg.norm(network.points[on][:, None] - network.points[on], axis=-1)[
        np.triu_indices(on.sum(), 1)
    ]
    if config.min_distance is not None and (gaps < config.min_distance).any():
        problems.append("too close")
    return problems


def broken_marks(network: Network, active: torch.Tensor) -> list[str]:
    """What must hold at every step, not only at the end."""
    sensors, on = network.sensors, active.numpy()
    problems = [] if on[sensors.pinned].all() else ["a pinned sensor is off"]
    problems += ["an excluded sensor is on"] if on[sensors.excluded].any() else []
    for name in set(sensors.group) - {""}:
        members = on[[group == name for group in sensors.group]]
        problems += [f"group {name} is torn"] if members.any() != members.all() else []
    return problems


@pytest.mark.parametrize("scheme", ["dynamic", "iterative", "one_shot"])
def test_marks_hold_from_step_0_and_everything_at_the_end(
    case: tuple[SparsityConfig, Network], scheme: str
) -> None:
    config, network = case
    updates = play(config, network, scheme)
    assert all(not broken_marks(network, active) for _, active in updates)
    finals = [active for progress, active in updates if progress == 1]
    assert len(finals) >= (1 if scheme == "one_shot" else 2)
    assert [broken(config, network, active) for active in finals] == [[]] * len(finals)


def test_iterative_never_switches_a_sensor_on_and_dynamic_does(
    case: tuple[SparsityConfig, Network],
) -> None:
    config, network = case
    masks = [active for _, active in play(config, network, "iterative")]
    assert not any((after & ~before).any() for before, after in pairwise(masks))
    masks = [active for _, active in play(config, network, "dynamic")]
    assert any((after & ~before).any() for before, after in pairwise(masks))


def test_counts_never_grow(case: tuple[SparsityConfig, Network]) -> None:
    config, network = case
    weight = torch.tensor(np.ones(S) if config.budget is None else network.sensors.cost)
    loads = [
        max(float(weight[active].sum()), config.budget or 0)
        for _, active in play(config, network, "dynamic")
    ]
    assert all(after <= before + 1e-6 for before, after in pairwise(loads))


def test_two_ranks_take_the_same_decisions(case: tuple[SparsityConfig, Network]) -> None:
    one, other = play(*case, "dynamic"), play(*case, "dynamic")
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(one, other, strict=True))


def test_an_exchange_keeps_its_limit(case: tuple[SparsityConfig, Network]) -> None:
    config, network = case
    scheme = make_scheme(config, S, STEPS, 0, network=network, criterion=Noise())
    constraints = scheme.constraints
    active = constraints.prune(constraints.allowed(), torch.rand(S), scheme.schedule.final)
    for num in (0, 1, 3):
        after = constraints.exchange(active, torch.randn(S), num)
        assert int((active & ~after).sum()) <= num
        assert not broken(config, network, after)
        if num == 0 and config.budget is None:
            assert torch.equal(after, active)


def test_warm_up_subsets_keep_the_marks(case: tuple[SparsityConfig, Network]) -> None:
    config, network = case
    settings = config.model_copy(update={"dropout": True})
    scheme = make_scheme(settings, S, STEPS, 0, network=network, criterion=RandomScore(S, 0))
    excluded, pinned = (
        set(np.flatnonzero(marks).tolist())
        for marks in (network.sensors.excluded, network.sensors.pinned)
    )
    subsets = [set(scheme.sensors_at(step).index.tolist()) for step in range(30)]
    assert len({len(subset) for subset in subsets}) > 3
    assert all(pinned <= subset and not subset & excluded for subset in subsets)


def test_probes_never_read_an_excluded_sensor() -> None:
    network = make_network(excluded=[0, 7])
    scheme: Scheme = make_scheme(SparsityConfig(dropout=False), S, STEPS, 0, network=network)
    sensors = scheme.sensors_at(0)
    assert sensors.gates is not None
    assert sensors.index.tolist() == [index for index in range(S) if index not in (0, 7)]
    assert 0 not in scheme.sensors_at(1).index.tolist()


# -- the program against plain sorting, and against all choices there are


@pytest.mark.parametrize("seed", range(20))
def test_a_program_without_constraints_is_sorting(seed: int) -> None:
    """Many importances are equal, so that ties count."""
    rng = torch.Generator().manual_seed(seed)
    importance = (
        torch.randint(-2, 3, (S,), generator=rng).double()
        if seed % 2
        else torch.randn(S, generator=rng).double()
    )
    final = (0.3, 0.5, 0.8)[seed % 3]
    program = Constrained(make_constraint_spec(make_network(seed), final, None, None))
    everyone = torch.ones(S, dtype=torch.bool)
    for sparsity in (0.1, 0.25, final):
        if sparsity > final:
            continue
        pruned = program.prune(everyone, importance, sparsity)
        assert torch.equal(pruned, prune_to(everyone, importance, num_active_at(sparsity, S)))
        for num in (0, 2, 5):
            start = pruned[torch.randperm(S, generator=rng)]
            assert torch.equal(
                program.exchange(start, importance, num), drop_and_grow(start, importance, num)
            )


TINY = 8


def all_choices(num_sensors: int) -> torch.Tensor:
    return torch.tensor(list(product([False, True], repeat=num_sensors)))


TINY_KINDS: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "grouped": ({"final": 0.5}, {"groups": {"a": [0, 5, 6], "b": [1, 2]}}),
    "apart": ({"final": 0.625, "min_distance": 0.25}, {}),
    "budget": ({"budget": 8.0}, {"costs": True}),
    "all": (
        {"final": 0.5, "min_distance": 0.15},
        {"groups": {"a": [0, 5]}, "pinned": [7], "excluded": [3]},
    ),
}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", TINY_KINDS)
def test_no_choice_is_better(kind: str, seed: int) -> None:
    """Pruning at once and exchanging, against every subset of a tiny network."""
    settings, columns = TINY_KINDS[kind]
    config, network = (
        SparsityConfig.model_validate(settings),
        make_network(seed + 1, TINY, **columns),
    )  # type: ignore[arg-type]
    importance = torch.randn(
        TINY, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    objective = importance if config.budget is None else importance.clamp(min=0)
    constraints = make_constraints(config, network)
    possible = [
        choice
        for choice in all_choices(TINY)
        if choice.any() and not broken(config, network, choice)
    ]
    pruned = constraints.prune(constraints.allowed(), importance, 0.999)
    assert not broken(config, network, pruned)
    assert float(objective[pruned].sum()) == pytest.approx(
        max(float(objective[choice].sum()) for choice in possible), abs=1e-4
    )
    for start in possible[:: max(1, len(possible) // 4)]:
        near = [choice for choice in possible if int((start & ~choice).sum()) <= 1]
        found = constraints.exchange(start, importance, 1)
        assert int((start & ~found).sum()) <= 1
        assert float(objective[found].sum()) == pytest.approx(
            max(float(objective[choice].sum()) for choice in near), abs=1e-4
        )


def test_a_round_of_the_ramp_keeps_the_best_that_still_holds_a_final_choice() -> None:
    """By hand: a, b and c stand close together and matter most, d stands far away.

    Two must stay in the end, apart.
    """
    points = np.array([[0.0, 0], [0.1, 0], [0.2, 0], [9.0, 0]])
    network = Network(Sensors(("a", "b", "c", "d"), points), points)
    constraints = make_constraints(SparsityConfig(final=0.5, min_distance=1.0), network)
    everyone, importance = torch.ones(4, dtype=torch.bool), torch.tensor([4.0, 3.0, 2.0, 1.0])
    assert constraints.prune(everyone, importance, 0.25).tolist() == [True, True, False, True]
    assert constraints.prune(everyone, importance, 0.5).tolist() == [True, False, False, True]


def test_a_round_of_the_ramp_looks_ahead_to_what_the_budget_buys_in_the_end() -> None:
    """By hand: a, b and c stand together.

    Keeping all three would leave one sensor and half of the budget in the end.
    """
    points = np.array([[0.0, 0], [0.1, 0], [0.2, 0], [9.0, 0]])
    network = Network(Sensors(("a", "b", "c", "d"), points), points)
    constraints = make_constraints(SparsityConfig(budget=2.0, min_distance=1.0), network)
    importance = torch.tensor([4.0, 3.0, 2.0, 1.5])
    assert constraints.prune(constraints.allowed(), importance, 0.25).tolist() == [
        True,
        True,
        False,
        True,
    ]


def test_a_round_of_the_ramp_never_leaves_only_what_the_budget_cannot_buy() -> None:
    network = Network(Sensors(("cheap", "dear"), cost=np.array([1.0, 5.0])))
    constraints = make_constraints(SparsityConfig(budget=1.0), network)
    assert constraints.prune(constraints.allowed(), torch.tensor([0.1, 9.0]), 0.16).tolist() == [
        True,
        False,
    ]


def test_a_budget_is_not_left_unspent_because_scores_are_negative() -> None:
    network = make_network(costs=False)
    constraints = make_constraints(SparsityConfig(budget=10.0), network)
    importance = -torch.arange(1.0, S + 1)
    kept = constraints.prune(constraints.allowed(), importance, 0.999)
    assert kept.nonzero().squeeze(1).tolist() == list(range(10))


def test_without_a_budget_costs_do_not_count() -> None:
    """a and b are on or off as one; two of four sensors stay, however dear."""
    network = Network(
        Sensors(
            ("a", "b", "c", "d"), cost=np.array([50.0, 1.0, 1.0, 7.0]), group=("ab", "ab", "", "")
        )
    )
    constraints = make_constraints(SparsityConfig(final=0.5), network)
    assert constraints.prune(
        constraints.allowed(), torch.tensor([4.0, 3.0, 2.0, 1.0]), 0.5
    ).tolist() == [True, True, False, False]


def test_exactly_as_far_apart_as_asked_for_is_far_enough() -> None:
    points = np.array([[0.0, 0], [3.0, 4.0]])  # 5 apart
    network = Network(Sensors(("a", "b"), points), points)
    constraints = make_constraints(SparsityConfig(final=0.0, min_distance=5.0), network)
    assert constraints.prune(constraints.allowed(), torch.ones(2), 0.0).all()


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_the_best_choice_does_not_depend_on_the_unit_of_the_loss(unit: float) -> None:
    """By hand: one sensor of cost 3 is worth 9, three of cost 1 are worth 4 together."""
    network = Network(Sensors(("a", "b", "c", "d"), cost=np.array([3.0, 1.0, 1.0, 1.0])))
    constraints = make_constraints(SparsityConfig(budget=3.0), network)
    importance = torch.tensor([9.0, 2.0, 1.0, 1.0]).double() * unit
    assert constraints.prune(constraints.allowed(), importance, 0.999).tolist() == [
        True,
        False,
        False,
        False,
    ]


def test_distances_are_metres_for_longitude_and_latitude(tmp_path: Path) -> None:
    sensors = Sensors(("a", "b"), np.array([[9.0, 48.0], [9.0, 48.001]]))  # 111.2 m apart
    with StoreWriter(
        tmp_path / "store",
        Origin("two", positions="lonlat"),
        [Channel(name="flow")],
        sensors,
        Edges.none(),
    ) as writer:
        writer.append(np.arange(3) * 3600, np.ones((3, 2, 1), np.float32))
    network = network_of(open_store(tmp_path / "store"))
    make_constraints(SparsityConfig(final=0.0, min_distance=111.0), network)
    with pytest.raises(ConfigError, match=r"no 2 sensors are 111\.5 apart, at most 1 can be"):
        make_constraints(SparsityConfig(final=0.0, min_distance=111.5), network)


def test_the_job_may_pin_and_exclude_what_the_store_does_not() -> None:
    config = SparsityConfig(final=0.8, pinned=("s3",), excluded=("s5", "s6"))
    constraints = make_constraints(config, make_network(pinned=[4]))
    assert (~constraints.allowed()).nonzero().squeeze(1).tolist() == [5, 6]
    kept = constraints.prune(constraints.allowed(), torch.arange(float(S)), 0.8)
    assert kept.nonzero().squeeze(1).tolist() == [3, 4, 21, 22, 23]
