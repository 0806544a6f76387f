"""What nothing can satisfy is refused before a training starts, each time with its reason."""

from dataclasses import replace

import numpy as np
import pytest

from dynst.errors import ConfigError
from dynst.sparsity.config import SparsityConfig, make_constraints, make_scheme
from dynst.sparsity.constraints.sensor_layout import Network
from tests.contracts.test_constraints import STEPS, S, make_network


def marked(**columns: object) -> Network:
    return make_network(**columns)  # type: ignore[arg-type]


POINTLESS = replace(make_network(), points=None)

REFUSED: list[tuple[dict[str, object], Network, str]] = [
    (
        {},
        marked(pinned=[3], excluded=[3]),
        "sensor 's3' must be pinned or excluded, but is both; clear one",
    ),
    (
        {},
        marked(groups={"a": [1, 2]}, pinned=[1], excluded=[2]),
        "group 'a' must be on or off as one, but 's1' is pinned and 's2' excluded",
    ),
    (
        {"final": 0.9},
        marked(pinned=[1, 2, 3]),
        r"sparsity.final keeps 2 of 24 sensors, but 3 are pinned; lower it or unpin some",
    ),
    (
        {"final": 0.1},
        marked(excluded=[1, 2, 3]),
        r"sparsity.final keeps 22 of 24 sensors, but only 21 are not excluded; raise it",
    ),
    (
        {"final": 0.5},
        marked(groups={"a": list(range(10)), "b": list(range(10, 24))}),
        r"keeps 12 of 24 sensors, which the groups do not add up to; the nearest that work are "
        r"0.5833 \(10 sensors\) or 0.4167",
    ),
    (
        {"budget": 2.5},
        marked(pinned=[1, 2, 3]),
        r"sparsity.budget must cover the pinned sensors, but they cost 3 and it is 2.5",
    ),
    (
        {"budget": 0.5},
        marked(),
        r"sparsity.budget must pay for at least one sensor, but is 0.5, while the cheapest choice "
        r"costs 1",
    ),
    (
        {"budget": 5.0, "final": 0.5},
        marked(),
        r"must have a budget or a final share, but got budget 5 and final 0.5; leave one",
    ),
    (
        {"min_distance": 5.0},
        POINTLESS,
        r"sparsity.min_distance needs to know where sensors stand, but the store has no positions",
    ),
    (
        {"coverage": 1.0},
        POINTLESS,
        r"sparsity.coverage must be 0 where the store has no positions, but got 1; import the data",
    ),
    (
        {"min_distance": 5.0},
        marked(pinned=[1, 2]),
        r"at least 5 apart, but 's1' and 's2', both pinned, are 1.18308 apart; lower",
    ),
    (
        {"min_distance": 0.4},
        marked(),
        r"no 12 sensors are 0.4 apart, at most \d can be; lower it, or keep fewer sensors",
    ),
    (
        {"pinned": ["s33"]},
        marked(),
        r"sparsity.pinned must name sensors of the store, but got 's33'; did you mean 's3'\?",
    ),
    (
        {"excluded": ["north"]},
        marked(),
        r"sparsity.excluded must name sensors of the store, but got 'north'; the first is 's0'",
    ),
    (
        {"pinned": ["s3"], "excluded": ["s3"]},
        marked(),
        "sensor 's3' must be pinned or excluded, but is both",
    ),
]


@pytest.mark.parametrize(("settings", "network", "message"), REFUSED)
def test_what_nothing_can_satisfy_is_refused_with_the_reason(
    settings: dict[str, object], network: Network, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_scheme(SparsityConfig.model_validate(settings), S, STEPS, 0, network=network)


def test_costs_of_0_are_refused_with_a_budget() -> None:
    network = make_network()
    with pytest.raises(ConfigError, match="all costs are 0"):
        make_constraints(
            SparsityConfig(budget=5.0), Network(replace(network.sensors, cost=np.zeros(S)))
        )
