"""Why no choice of sensors can satisfy what was asked for: found before training, said in one
sentence.
"""

from dataclasses import replace

import numpy as np

from dynst.errors import ConfigError
from dynst.sparsity.constraints.integer_program import Program
from dynst.sparsity.constraints.sensor_layout import Network
from dynst.sparsity.constraints.spec import TOLERANCE, ConstraintSpec, pairs_within, units_of

__all__ = ["check_marks", "check_reachable"]


def check_marks(network: Network, budget: float | None, min_distance: float | None) -> None:
    """What single sensors and groups contradict, whatever the others do.

    Raises:
        ConfigError: naming the first such sensor or pair.
    """
    _check_pinned_and_excluded(network)
    if min_distance is not None:
        _check_pinned_apart(network, min_distance)
    if budget is not None:
        _check_costs(network, budget)


def check_reachable(network: Network, demands: ConstraintSpec, min_distance: float | None) -> None:
    """Solves the program once with everything, after each demand was looked at alone, to say which
    is to blame.

    Raises:
        ConfigError: no choice satisfies the constraints; it names the nearest thing that one could
            ask for.
    """
    check = _check_count if demands.exact else _check_affordable
    check(network, demands)
    if len(demands.too_close) and _solved(demands) is None:
        alone = _solved(replace(demands, exact=False))
        most = 0 if alone is None else int(demands.size[alone].sum())
        asked = f"{demands.limit:g} sensors" if demands.exact else "sensors within sparsity.budget"
        raise ConfigError(
            f"sparsity.min_distance must leave room for the choice, but no {asked} are "
            f"{min_distance:g} apart, at most {most} can be; lower it, or keep fewer sensors"
        )


def _check_pinned_and_excluded(network: Network) -> None:
    sensors, unit = network.sensors, units_of(network)
    for name in np.flatnonzero(sensors.pinned & sensors.excluded)[:1].tolist():
        raise ConfigError(
            f"sensor '{sensors.ids[name]}' must be pinned or excluded, but is both; clear one of "
            f"the two"
        )
    pinned = {int(number): index for index, number in enumerate(unit) if sensors.pinned[index]}
    for index in np.flatnonzero(sensors.excluded).tolist():
        if int(unit[index]) in pinned:
            raise ConfigError(
                f"group '{sensors.group[index]}' must be on or off as one, but "
                f"'{sensors.ids[pinned[int(unit[index])]]}' is pinned and '{sensors.ids[index]}' "
                "excluded; clear one of the two, or take it out of the group"
            )


def _check_pinned_apart(network: Network, min_distance: float) -> None:
    if network.points is None:
        raise ConfigError(
            "sparsity.min_distance needs to know where sensors stand, but the store has no "
            "positions; import them"
        )
    unit = units_of(network)
    pinned = np.flatnonzero(np.isin(unit, unit[network.sensors.pinned]))
    pairs = pairs_within(network.points[pinned], min_distance, pinned)
    if len(pairs):
        one, other = pairs[0]
        distance = float(np.linalg.norm(network.points[one] - network.points[other]))
        raise ConfigError(
            f"kept sensors must be at least {min_distance:g} apart, but "
            f"'{network.sensors.ids[one]}' and '{network.sensors.ids[other]}', both pinned, are "
            f"{distance:g} apart; lower sparsity.min_distance or unpin one"
        )


def _check_costs(network: Network, budget: float) -> None:
    sensors = network.sensors
    if not sensors.cost.sum() > 0:
        raise ConfigError(
            "sparsity.budget needs sensors that cost something, but all costs are 0; set them in "
            "the sensors table"
        )
    unit = units_of(network)
    cost = float(sensors.cost[np.isin(unit, unit[sensors.pinned])].sum())
    if cost > budget:
        raise ConfigError(
            f"sparsity.budget must cover the pinned sensors, but they cost {cost:g} and it is "
            f"{budget:g}; raise it or unpin some"
        )


def _check_count(network: Network, demands: ConstraintSpec) -> None:
    """By the sizes of groups alone: which numbers of sensors can be put together at all."""
    asked, total = int(demands.limit), len(network)
    least, most = (
        int(demands.size[demands.pinned].sum()),
        int(demands.size[~demands.excluded].sum()),
    )
    if least > asked:
        raise ConfigError(
            f"sparsity.final keeps {asked} of {total} sensors, but {least} are pinned; lower it "
            f"or unpin some"
        )
    if most < asked:
        raise ConfigError(
            f"sparsity.final keeps {asked} of {total} sensors, but only {most} are not excluded; "
            f"raise it or exclude fewer"
        )
    if demands.size.max() == 1:
        return
    counts = _counts(demands)
    if asked not in counts:
        below, above = (
            max((n for n in counts if n < asked), default=0),
            min((n for n in counts if n > asked), default=0),
        )
        near = " or ".join(
            f"{1 - count / total:.4g} ({count} sensors)" for count in (below, above) if count
        )
        raise ConfigError(
            f"sparsity.final keeps {asked} of {total} sensors, which the groups do not add up to; "
            f"the nearest that work are {near}"
        )


def _counts(demands: ConstraintSpec) -> set[int]:
    """All numbers of sensors that some choice of units has.

    One bit of a whole number stands for each.
    """
    reached = 1 << int(demands.size[demands.pinned].sum())
    for size in demands.size[~demands.pinned & ~demands.excluded].tolist():
        reached |= reached << size
    return {count for count in range(reached.bit_length()) if reached >> count & 1}


def _check_affordable(network: Network, demands: ConstraintSpec) -> None:
    if not (demands.weight[~demands.excluded] <= demands.limit + TOLERANCE).any():
        cost = network.sensors.cost
        cheapest = np.bincount(demands.unit, cost)[~demands.excluded].min(initial=np.inf)
        raise ConfigError(
            f"sparsity.budget must pay for at least one sensor, but is "
            f"{demands.limit * cost.mean():g}, while the cheapest choice "
            f"costs {cheapest:g}; raise it"
        )


def _solved(demands: ConstraintSpec) -> np.ndarray | None:
    """A final choice of as many sensors as possible."""
    free = ~demands.excluded
    return Program(demands, free, demands.limit, exact=demands.exact, last=True).solve(
        demands.size.astype(float)
    )
