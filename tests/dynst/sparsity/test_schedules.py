import pytest

from dynst.errors import ConfigError
from dynst.sparsity.config import SparsityConfig, make_scheme
from dynst.sparsity.drops import ConstantDrop, CosineDrop, LinearDrop
from dynst.sparsity.schedules import Constant, Cubic, Geometric, Linear, OneShot


def test_cubic_by_hand() -> None:
    ramp = Cubic(final=0.8, start=100, stop=200, update_every=25, grown_by=1.0)
    updates = [step for step in range(300) if ramp.is_update_step(step)]
    assert updates == [100, 125, 150, 175, 200]
    expected = [0.8 * (1 - (1 - share) ** 3) for share in (0.2, 0.4, 0.6, 0.8, 1.0)]
    assert [ramp.sparsity_at(step) for step in updates] == pytest.approx(expected)
    assert ramp.sparsity_at(99) == 0
    assert ramp.sparsity_at(500) == 0.8


def test_geometric_prunes_the_same_share_of_what_remains() -> None:
    ramp = Geometric(final=0.75, start=0, stop=30, update_every=10, grown_by=1.0)
    density = [1 - ramp.sparsity_at(step) for step in (0, 10, 20, 30)]
    ratios = [after / before for before, after in zip([1.0, *density], density, strict=False)]
    assert ratios == pytest.approx([0.25**0.25] * 4)


def test_final_sparsity_is_reached_before_the_last_updates() -> None:
    """The rounds after it only exchange sensors."""
    ramp = Cubic(final=0.5, start=0, stop=100, update_every=10, grown_by=0.5)
    assert ramp.sparsity_at(50) == 0.5
    assert ramp.is_update_step(90)


def test_one_shot() -> None:
    schedule = OneShot(0.5, 7)
    assert [step for step in range(20) if schedule.is_update_step(step)] == [7]
    assert [schedule.sparsity_at(step) for step in (6, 7, 8)] == [0, 0.5, 0.5]


def test_linear_switches_off_evenly_and_constant_at_once() -> None:
    linear, constant = (ramp(0.8, 100, 200, 25, grown_by=1.0) for ramp in (Linear, Constant))
    updates = [step for step in range(300) if constant.is_update_step(step)]
    assert updates == [100, 125, 150, 175, 200]
    assert [linear.sparsity_at(step) for step in updates] == pytest.approx(
        [0.16, 0.32, 0.48, 0.64, 0.8]
    )
    assert [constant.sparsity_at(step) for step in (99, *updates)] == [0, 0.8, 0.8, 0.8, 0.8, 0.8]


def test_drops_by_hand() -> None:
    steps = (0, 10, 35, 60, 110, 500)
    assert [ConstantDrop(0.3, 10, 110).fraction_at(step) for step in steps] == [0.3] * 6
    assert [LinearDrop(0.3, 10, 110).fraction_at(step) for step in steps] == pytest.approx(
        [0.3, 0.3, 0.225, 0.15, 0, 0]
    )


def test_cosine_drop_ends_at_zero() -> None:
    drop = CosineDrop(0.3, 10, 110)
    assert [drop.fraction_at(step) for step in (0, 10, 60, 110, 500)] == pytest.approx(
        [0.3, 0.3, 0.15, 0, 0]
    )


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: Cubic(1.2, 0, 10, 1),
            "sparsity.final must be at least 0 and below 1, but got 1.2",
        ),
        (lambda: Geometric(0.5, 10, 10, 1), "before it stops, but got 10 to 10"),
        (lambda: Cubic(0.5, 0, 10, 0), "update_every must be at least 1 step, but got 0"),
        (lambda: OneShot(-0.1, 0), "but got -0.1"),
        (lambda: OneShot(0.1, -3), "step 0 or later, but got -3"),
        (lambda: Linear(0.5, 0, 10, 1, grown_by=0), "grown_by must be above 0"),
        (lambda: Linear(0.5, 0, 10, 1, grown_by=1.5), "at most 1, but got 1.5"),
        (lambda: LinearDrop(-0.5, 0, 1), "drop_fraction must be between 0 and 1, but got -0.5"),
        (lambda: CosineDrop(1.5, 0, 1), "drop_fraction must be between 0 and 1, but got 1.5"),
        (
            lambda: make_scheme(SparsityConfig(dropout_density=(0.9, 0.1)), 5, 100, 0),
            "dropout_density must be two shares",
        ),
    ],
)
def test_each_setting_checks_itself(build: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build()  # type: ignore[operator]
