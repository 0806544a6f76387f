"""A scheme as plain settings: shares of the training instead of steps, so that they hold for any budget."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from dynst.sparsity.criteria import Criterion, RandomScore, SignedFirstOrder
from dynst.sparsity.schedules import CosineDrop, Cubic, Geometric, OneShot, Schedule
from dynst.sparsity.scheme import Scheme, SensorDropout

__all__ = ["SparsityConfig", "make_scheme"]


class SparsityConfig(BaseModel):
    """Which sensors go, how many, and when."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scheme: Literal["dynamic", "iterative", "one_shot"] = Field(
        "dynamic",
        description="iterative switches sensors off in rounds; dynamic also exchanges them; one_shot does it once",
    )
    criterion: Literal["signed_first_order", "random"] = "signed_first_order"
    final: float = Field(0.5, ge=0, lt=1, description="share of sensors that are off at the end")
    schedule: Literal["cubic", "geometric"] = Field("cubic", description="shape of the rounds; one_shot has none")
    start: float = Field(0.4, ge=0, lt=1, description="share of the training before the first sensor goes")
    stop: float = Field(0.75, gt=0, lt=1, description="share of the training after which the mask is fixed")
    rounds: int = Field(15, ge=1, description="updates of the mask between start and stop")
    drop_fraction: float = Field(0.3, ge=0, le=1, description="share of active sensors that the first update may exchange")
    probe_every: int = Field(5, ge=1, description="training steps between two measurements of importance")
    dropout: bool = Field(True, description="train on a random subset of sensors in each step before start")
    dropout_density: tuple[float, float] = (0.2, 1.0)


def make_scheme(config: SparsityConfig, num_sensors: int, total_steps: int, seed: int, choice_seed: int | None = None) -> Scheme:
    """Turn shares into steps. ``choice_seed`` draws the random criterion apart from the warm-up's subsets.

    Raises:
        ConfigError: settings contradict each other, for instance start lies behind stop.
    """
    start, stop = int(config.start * total_steps), int(config.stop * total_steps)
    return Scheme(
        num_sensors,
        _schedule(config, start, stop),
        _criterion(config, num_sensors, seed if choice_seed is None else choice_seed),
        exchange=CosineDrop(config.drop_fraction, start, stop) if config.scheme == "dynamic" else None,
        dropout=SensorDropout(start, config.dropout_density) if config.dropout else None,
        probe_every=config.probe_every,
        seed=seed,
    )


def _schedule(config: SparsityConfig, start: int, stop: int) -> Schedule:
    if config.scheme == "one_shot":
        return OneShot(config.final, start)
    ramp = Cubic if config.schedule == "cubic" else Geometric
    return ramp(config.final, start, stop, max(1, (stop - start) // config.rounds))


def _criterion(config: SparsityConfig, num_sensors: int, seed: int) -> Criterion:
    if config.criterion == "random":
        return RandomScore(num_sensors, seed)
    return SignedFirstOrder(num_sensors)
