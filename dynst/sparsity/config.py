"""A scheme as plain settings: shares of the training instead of steps, so that they hold for any
budget.
"""

from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dynst.bounds import Count, Fraction, Magnitude, OpenShare, Positive, Share, Steps, Text
from dynst.errors import ConfigError
from dynst.notices import notice
from dynst.sparsity.constraints.base import Constraints, Unconstrained
from dynst.sparsity.constraints.constrained import Constrained, PinExclude
from dynst.sparsity.constraints.feasibility import check_marks, check_reachable
from dynst.sparsity.constraints.sensor_layout import Network, plain_network
from dynst.sparsity.constraints.spec import make_constraint_spec
from dynst.sparsity.criteria import (
    AbsoluteGradient,
    Coverage,
    Criterion,
    FixedScores,
    LearnedGate,
    Redrawn,
    SignedFirstOrder,
)
from dynst.sparsity.drops import ConstantDrop, CosineDrop, Drop, LinearDrop
from dynst.sparsity.schedules import Constant, Cubic, Geometric, Linear, OneShot, Ramp, Schedule
from dynst.sparsity.scheme import Probes, Scheme, SensorDropout

__all__ = [
    "OLD_SCHEMES",
    "CriterionName",
    "SchemeName",
    "SparsityConfig",
    "at_sparsity",
    "make_constraints",
    "make_scheme",
    "rewind_step",
    "todays_scheme",
    "with_marks",
]

OLD_SCHEMES = {"judged": "searched"}


def todays_scheme(name: Any) -> Any:
    """The name that a scheme has today, with a notice where it was given by an earlier one."""
    if isinstance(name, str) and name in OLD_SCHEMES:
        notice(f"scheme '{name}' is now called '{OLD_SCHEMES[name]}'; rename it in the file")
        return OLD_SCHEMES[name]
    return name


SchemeName = Annotated[
    Literal["dynamic", "iterative", "one_shot", "searched"], BeforeValidator(todays_scheme)
]
MOST_SENSORS = 10**6
CriterionName = Literal["signed_first_order", "absolute_gradient", "learned_gate", "random"]
RAMPS: dict[str, type[Ramp]] = {
    "constant": Constant,
    "linear": Linear,
    "cubic": Cubic,
    "geometric": Geometric,
}
DROPS: dict[str, type[Drop]] = {
    "constant": ConstantDrop,
    "linear": LinearDrop,
    "cosine": CosineDrop,
}
CRITERIA: dict[str, Callable[[int, int], Criterion]] = {
    "signed_first_order": lambda num_sensors, seed: SignedFirstOrder(num_sensors),
    "absolute_gradient": lambda num_sensors, seed: AbsoluteGradient(num_sensors),
    "learned_gate": lambda num_sensors, seed: LearnedGate(num_sensors),
    "random": Redrawn,
}


class SparsityConfig(BaseModel):
    """Which sensors are switched off, how many, and when.

    Example:
        >>> SparsityConfig(scheme="searched", final=0.5, pinned=("north",)).final
        0.5
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scheme: SchemeName = Field(
        "dynamic",
        description="iterative switches sensors off in rounds; dynamic also exchanges them; "
        "one_shot does it once, by the "
        "criterion; searched once, by a search among subsets that the network itself evaluates",
    )
    criterion: CriterionName = Field(
        "signed_first_order", description="what makes a sensor important"
    )
    coverage: Magnitude = Field(
        0, description="weight of standing alone beside importance; needs positions"
    )
    final: Share | None = Field(
        None,
        description="share of sensors that are off at the end; 0.5 without a budget",
    )
    budget: Positive | None = Field(
        None, description="what the sensors that stay on may cost together; instead of final"
    )
    min_distance: Positive | None = Field(
        None,
        description="between any two sensors that stay on, in metres, or in the unit of a plane's "
        "positions",
    )
    pinned: tuple[Text, ...] = Field(
        (),
        max_length=MOST_SENSORS,
        description="sensors that stay on, beside those that the store pins",
    )
    excluded: tuple[Text, ...] = Field(
        (),
        max_length=MOST_SENSORS,
        description="sensors that are never read, beside those that the store excludes",
    )
    schedule: Literal["constant", "linear", "cubic", "geometric"] = Field(
        "cubic", description="shape of the rounds; one_shot has none"
    )
    start: Share = Field(0.4, description="share of the training before the first sensor goes")
    stop: OpenShare = Field(0.75, description="share of the training after which the mask is fixed")
    rounds: Count = Field(15, description="updates of the mask between start and stop")
    drop_fraction: Fraction = Field(
        0.3, description="share of active sensors that the first update may exchange"
    )
    drop_decay: Literal["constant", "linear", "cosine"] = Field(
        "cosine", description="how that share falls until stop"
    )
    rewind: Share | None = Field(
        None,
        description="share of the training whose weights each pruning goes back to; 0 is the "
        "initial weights",
    )
    probe_every: Steps = Field(
        5, description="training steps between two measurements of importance"
    )
    candidates: Steps | None = Field(
        None,
        description="sensors that are off and measured beside those that are on, drawn anew for "
        "each; by default all",
    )
    dropout: bool = Field(
        True, description="train on a random subset of sensors in each step before start"
    )
    dropout_density: tuple[Fraction, Fraction] = Field(
        (0.2, 1.0), description="smallest and largest fraction of sensors in such a subset"
    )

    @model_validator(mode="before")
    @classmethod
    def _half_without_a_budget(cls, settings: Any) -> Any:
        if (
            isinstance(settings, dict)
            and settings.get("final") is None
            and settings.get("budget") is None
        ):
            return settings | {"final": 0.5}
        return settings


def make_scheme(
    config: SparsityConfig,
    num_sensors: int,
    total_steps: int,
    seed: int,
    *,
    network: Network | None = None,
    criterion: Criterion | None = None,
) -> Scheme:
    """Turn shares into steps. ``criterion`` takes the place of the one that the settings name.

    Raises:
        ConfigError: settings contradict each other or what is known of the sensors, for instance
            start lies behind stop.
    """
    network = with_marks(config, network or plain_network(num_sensors))
    constraints = make_constraints(config, network)
    _check_searched(config)
    rewind_step(config, total_steps)  # refused here, before anything starts
    start, stop = int(config.start * total_steps), int(config.stop * total_steps)
    pinned = tuple(np.flatnonzero(network.sensors.pinned).tolist())
    return Scheme(
        num_sensors,
        _schedule(config, _final(config, network), start, stop),
        _with_coverage(criterion or _criterion(config, num_sensors, seed), config, network),
        exchange=DROPS[config.drop_decay](config.drop_fraction, start, stop)
        if config.scheme == "dynamic"
        else None,
        dropout=SensorDropout(start, config.dropout_density, pinned) if config.dropout else None,
        probes=Probes(config.probe_every, config.candidates),
        seed=seed,
        constraints=constraints,
    )


def _check_searched(config: SparsityConfig) -> None:
    if config.scheme == "searched" and not config.dropout:
        raise ConfigError(
            "the scheme searched needs a network that has learned to do without any sensor, but "
            "sparsity.dropout is false; set it to true, or take another scheme"
        )


def at_sparsity(config: SparsityConfig, sparsity: float) -> SparsityConfig:
    """The same demands for another share of sensors that are off.

    It takes the place of a budget too.
    """
    return config.model_copy(update={"final": sparsity, "budget": None})


def _criterion(config: SparsityConfig, num_sensors: int, seed: int) -> Criterion:
    """The searched scheme needs no scores from the training."""
    if config.scheme == "searched":
        return FixedScores(torch.zeros(num_sensors))
    return CRITERIA[config.criterion](num_sensors, seed)


def make_constraints(config: SparsityConfig, network: Network) -> Constraints:
    """What the settings and the table of sensors demand of every choice, checked to be possible.

    Raises:
        ConfigError: nothing can satisfy it; the sentence says why.
    """
    network = with_marks(config, network)
    check_marks(network, config.budget, config.min_distance)
    demands = make_constraint_spec(
        network, _final(config, network), config.budget, config.min_distance
    )
    check_reachable(network, demands, config.min_distance)
    sensors = network.sensors
    if config.budget is not None or config.min_distance is not None or any(sensors.group):
        return Constrained(demands)
    if sensors.pinned.any() or sensors.excluded.any():
        return PinExclude(torch.tensor(sensors.pinned), torch.tensor(sensors.excluded))
    return Unconstrained(len(network))


def rewind_step(config: SparsityConfig, total_steps: int) -> int | None:
    """The step whose weights each pruning goes back to; None goes nowhere.

    Raises:
        ConfigError: it lies behind the first pruning.
    """
    if config.rewind is None:
        return None
    if config.rewind > config.start:
        raise ConfigError(
            f"sparsity.rewind must be at most sparsity.start ({config.start:g}), but got "
            f"{config.rewind:g}; lower it"
        )
    return int(config.rewind * total_steps)


def _schedule(config: SparsityConfig, final: float, start: int, stop: int) -> Schedule:
    if config.scheme in ("one_shot", "searched"):
        return OneShot(final, start)
    return RAMPS[config.schedule](final, start, stop, max(1, (stop - start) // config.rounds))


def _final(config: SparsityConfig, network: Network) -> float:
    """With a budget, the share of the total cost that is off."""
    if config.budget is None:
        return 0.5 if config.final is None else config.final
    if config.final is not None:
        raise ConfigError(
            f"sparsity must have a budget or a final share, but got budget {config.budget:g} and "
            f"final {config.final:g}; leave one of them out"
        )
    return max(0.0, 1 - config.budget / float(network.sensors.cost.sum()))


def _with_coverage(criterion: Criterion, config: SparsityConfig, network: Network) -> Criterion:
    if config.coverage == 0:
        return criterion
    if network.points is None:
        raise ConfigError(
            "sparsity.coverage must be 0 where the store has no positions, but got "
            f"{config.coverage:g}; import the data with positions"
        )
    return Coverage(criterion, network.points, config.coverage)


def with_marks(config: SparsityConfig, network: Network) -> Network:
    """The store's pinned and excluded sensors, and the job's."""
    sensors = network.sensors
    marked = {
        name: getattr(sensors, name)
        | _named(getattr(config, name), f"sparsity.{name}", sensors.ids)
        for name in ("pinned", "excluded")
    }
    return replace(network, sensors=replace(sensors, **marked))


def _named(names: tuple[str, ...], setting: str, ids: tuple[str, ...]) -> np.ndarray:
    for name in names:
        if name not in ids:
            near = get_close_matches(name, ids, n=1, cutoff=0.4)
            hint = f"did you mean '{near[0]}'?" if near else f"the first is '{ids[0]}'"
            raise ConfigError(f"{setting} must name sensors of the store, but got '{name}'; {hint}")
    return np.isin(ids, names)
