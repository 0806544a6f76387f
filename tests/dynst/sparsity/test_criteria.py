import numpy as np
import pytest
import torch

from dynst.sparsity.criteria import (
    AbsoluteGradient,
    Coverage,
    FixedScores,
    LearnedGate,
    RandomScore,
    Redrawn,
    SignedFirstOrder,
)
from dynst.sparsity.criteria.coverage import isolation

ALL = torch.ones(3, dtype=torch.bool)


def test_signed_first_order_averages_only_what_was_measured() -> None:
    criterion = SignedFirstOrder(3, decay=0.5)
    nan = float("nan")
    criterion.observe(torch.tensor([-2.0, 1.0, nan]), ALL)
    criterion.observe(torch.tensor([-4.0, nan, nan]), ALL)
    scores = criterion.scores(ALL)
    assert (
        scores[0] == (0.5 * 0.5 * 2 + 0.5 * 4) / 0.75
    )  # bias-corrected average of the gains 2 and 4
    assert scores[1] == -1.0
    assert scores[2] == 0.0


def test_absolute_gradient_does_not_let_signs_cancel() -> None:
    criterion = AbsoluteGradient(3, decay=0.5)
    for gradient in ([-2.0, 1.0, 0.0], [2.0, 1.0, 0.0]):
        criterion.observe(torch.tensor(gradient), ALL)
    assert criterion.scores(ALL).tolist() == [2.0, 1.0, 0.0]


def test_random_scores_depend_on_the_seed_alone() -> None:
    assert torch.equal(RandomScore(9, 1).scores(ALL), RandomScore(9, 1).scores(ALL))
    assert not torch.equal(RandomScore(9, 1).scores(ALL), RandomScore(9, 2).scores(ALL))


def test_redrawn_scores_change_with_each_update_and_only_then() -> None:
    criterion, other = Redrawn(9, 1), Redrawn(9, 1)
    drawn = []
    for _ in range(3):
        criterion.begin_update()
        drawn.append(criterion.scores(ALL))
        assert torch.equal(criterion.scores(ALL), drawn[-1])
    assert not torch.equal(drawn[0], drawn[1])
    other.load_state_dict(criterion.state_dict())
    assert torch.equal(other.scores(ALL), drawn[-1])


def test_a_learned_gate_follows_the_loss_and_fades_without_it() -> None:
    """By hand: the usual gradient is 1 in every probe, so a step is rate · (gradient + penalty)."""
    criterion = LearnedGate(3, rate=0.1, penalty=0.5, decay=0.9)
    criterion.observe(torch.tensor([-1.5, 1.5, 0.0]), ALL)
    assert criterion.scores(ALL).tolist() == pytest.approx(
        [1 + 0.1 * (1.5 - 0.5), 1 - 0.1 * (1.5 + 0.5), 1 - 0.05]
    )
    assert criterion.gates(torch.tensor([True, False, True])).tolist() == pytest.approx(
        [1.1, 0.0, 0.95]
    )


def test_a_learned_gate_stands_still_while_its_sensor_is_off_and_stays_above_0() -> None:
    criterion = LearnedGate(3, rate=0.5)
    for _ in range(20):
        criterion.observe(torch.tensor([-1.0, 1.0, -9.0]), torch.tensor([True, True, False]))
    gates = criterion.gates(ALL)
    assert gates[2] == 1.0
    assert 0 < gates[1] < 0.01


def test_a_learned_gate_does_not_depend_on_the_unit_of_the_loss() -> None:
    one, other = LearnedGate(3), LearnedGate(3)
    for step in range(10):
        gradient = torch.randn(
            3, generator=torch.Generator().manual_seed(step), dtype=torch.float64
        )
        one.observe(gradient, ALL)
        other.observe(1000 * gradient, ALL)
    assert torch.allclose(one.scores(ALL), other.scores(ALL))


LINE = np.array([[0.0], [1.0], [3.0], [9.0]])


@pytest.mark.parametrize(
    ("active", "distance"),
    [
        ([True, True, True, True], [1, 1, 2, 6]),  # to the nearest OTHER one
        ([True, False, False, True], [9, 1, 3, 9]),
        (
            [False, True, False, False],
            [1, 8, 2, 8],
        ),  # the only active one is as isolated as the remotest
    ],
)
def test_isolation_by_hand(active: list[bool], distance: list[float]) -> None:
    expected = torch.tensor(distance, dtype=torch.float64)
    assert torch.allclose(isolation(LINE, torch.tensor(active)), expected / expected.mean())


def test_isolation_of_sensors_at_one_place_or_alone_favours_nobody() -> None:
    assert isolation(np.zeros((3, 2)), ALL).tolist() == [1, 1, 1]
    assert isolation(np.zeros((1, 2)), ALL[:1]).tolist() == [1]


def test_coverage_is_measured_in_spreads_of_the_inner_scores() -> None:
    active = torch.tensor([True, True, True, True])
    inner = torch.tensor([0.0, 2.0, 0.0, 2.0], dtype=torch.float64)  # spread 1
    scores = Coverage(FixedScores(inner), LINE, 0.5).scores(active)
    assert torch.allclose(scores, inner + 0.5 * isolation(LINE, active))
    assert torch.equal(Coverage(FixedScores(inner), LINE, 0.0).scores(active), inner)
