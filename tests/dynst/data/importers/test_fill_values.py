"""Values that may mean missing are named at any share; readings are not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynst.data.importers.fill_values import FillValues
from dynst.data.manifest import Question

STEPS, SENSORS = 900, 5


def questions(
    values: np.ndarray, declared: tuple[float, ...] = (), parts: int = 3
) -> list[Question]:
    """``values [N, S]``, in parts as an import brings them."""
    seen = FillValues(["x"], declared)
    for part in np.array_split(values[..., None], parts):
        seen.watch(part)
    return list(seen.questions())


def temperatures(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(10, 8, (STEPS, SENSORS)).clip(-30, 45)


def counts(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).poisson(3, (STEPS, SENSORS)).astype(float)


KINDS = {"temperatures": temperatures, "counts": counts}
SENTINELS = (-999.0, -9999.0, 9999.0, 99999.0, 32767.0, -32767.0, 1e20, 9.96921e36, -99.9, 65535.0)


@settings(max_examples=80, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    value=st.sampled_from(SENTINELS),
    places=st.sets(st.integers(0, STEPS * SENSORS - 1), min_size=1, max_size=400),
    seed=st.integers(0, 5),
    parts=st.integers(1, 40),
    single=st.booleans(),
)
def test_a_usual_fill_value_is_named_with_its_count(
    kind: str, value: float, places: set[int], seed: int, parts: int, single: bool
) -> None:
    values = KINDS[kind](seed)
    values.ravel()[sorted(places)] = value
    values = values.astype(np.float32) if single else values
    (question,) = questions(values, parts=parts)
    assert (question.value, question.count) == (np.float32(value), len(places))
    assert question.total == STEPS * SENSORS
    assert float(question.value_text) == pytest.approx(value, rel=1e-6)
    assert questions(values, declared=(value,), parts=parts) == []


@settings(max_examples=30, deadline=None)
@given(kind=st.sampled_from(sorted(KINDS)), seed=st.integers(0, 50), parts=st.integers(1, 40))
def test_ordinary_readings_raise_no_question(kind: str, seed: int, parts: int) -> None:
    assert questions(KINDS[kind](seed), parts=parts) == []


@pytest.mark.parametrize("value", [1e9, 32766, -32766, 88888, -127, 1e15])
@pytest.mark.parametrize("every", [9, 200])
def test_a_frequent_far_value_is_named(value: float, every: int) -> None:
    values = temperatures(0)
    values.ravel()[::every] = value
    assert [question.value for question in questions(values)] == [np.float32(value)]


def test_zeros_above_negative_readings_are_named() -> None:
    values = np.random.default_rng(0).uniform(-90, -60, (STEPS, SENSORS))
    values.ravel()[::5] = 0
    (question,) = questions(values)
    assert (question.value, question.count) == (0, STEPS * SENSORS // 5)


def test_two_usual_negative_values_among_counts_are_both_named() -> None:
    values = counts(0)
    values[3, 0] = -1
    values[5, 1] = -9
    assert {question.value for question in questions(values)} == {-1, -9}


def test_two_negative_values_are_readings() -> None:
    values = np.full((40, 2), 2.5)
    values[3, 0], values[5, 1], values[7, 0] = -2, -7, 5
    assert questions(values) == []


def test_two_fill_values_are_both_named() -> None:
    values = temperatures(0)
    values[:, 3], values[4, 0], values[8, 1] = 1e20, -9999, -99.9
    found = {question.value_text: question.count for question in questions(values)}
    assert found == {"-99.9": 1, "-9999": 1, "1e+20": STEPS}


def test_a_lone_negative_value_among_counts_comes_before_zeros() -> None:
    values = np.random.default_rng(0).uniform(20, 70, (STEPS, SENSORS))
    values[np.random.default_rng(1).random(values.shape) < 0.1] = 0
    values[7, 1] = -4
    first, second = questions(values)
    assert (first.value, second.value) == (-4, 0)
    assert "only negative value" in first.reason


def test_zeros_among_small_counts_are_readings() -> None:
    values = np.random.default_rng(0).poisson(1, (STEPS, SENSORS)).astype(float)
    assert questions(values) == []


def test_a_value_far_outside_is_named() -> None:
    values = counts(0)
    values[7, 1] = 25_000
    (question,) = questions(values)
    assert "far outside, while all others lie in 0…" in question.text
    assert "in 1 of 4,500 readings" in question.text


@pytest.mark.parametrize(
    "values", [np.zeros((9, 2)), np.full((9, 2), np.nan), np.full((9, 2), 7.0)]
)
def test_a_constant_or_empty_channel_raises_no_question(values: np.ndarray) -> None:
    assert questions(values) == []


def test_heavy_tails_raise_no_question() -> None:
    values = np.random.default_rng(0).lognormal(0, 2, (STEPS, SENSORS))
    assert questions(values) == []


def test_values_within_the_range_of_all_others_raise_no_question() -> None:
    values = np.random.default_rng(0).uniform(0, 1000, (STEPS, SENSORS)).round()
    assert {255, 999} <= set(values.ravel().tolist())
    assert questions(values) == []


def test_declared_values_are_counted() -> None:
    values = counts(0)
    values[:7, 2] = 9999
    seen = FillValues(["x"], (9999.0, -5.0))
    seen.watch(values[..., None])
    assert [finding.text for finding in seen.findings()] == [
        "7 readings are 9999 and so missing",
        "no reading is -5, which --missing names",
    ]


def precision(values: np.ndarray) -> list[str]:
    seen = FillValues(["kWh"])
    seen.watch(values[..., None])
    seen.watch_changes(values[..., None])
    return [finding.text for finding in seen.findings()]


@pytest.mark.parametrize(
    ("start", "lost"), [(123_456_789.25, True), (1234.25, False), (5e5, False)]
)
def test_changes_that_float32_does_not_keep_are_said(start: float, lost: bool) -> None:
    values = start + 0.25 * np.arange(500)[:, None] * np.ones(3)
    kept = np.unique(np.diff(values.astype(np.float32), axis=0))
    assert (not np.allclose(kept, 0.25)) == lost  # the referee: numpy's own float32
    assert bool(precision(values)) == lost


def test_a_fill_value_does_not_count_as_large_readings() -> None:
    values = temperatures(0)
    values[:, 2] = 1e20
    assert precision(values) == []


def counts_of_cars(seed: int) -> np.ndarray:
    """As one decimal, 22.4…143."""
    return np.random.default_rng(seed).triangular(22.4, 60, 143, (STEPS, SENSORS)).round(1)


APART: dict[str, tuple[str, dict[float, int]]] = {
    "two marks below": ("cars", {-1: 100, -2: 50}),
    "a mark and one lower": ("cars", {-1: 300, -3.5: 1}),
    "marks that are not whole": ("cars", {-1.5: 100, -2.5: 50}),
    "marks below, one above": ("cars", {-1: 100, -2: 50, 200: 30}),
    "three marks": ("cars", {-1: 100, -2: 50, -3: 40}),
    "a positive mark below": ("cars", {1: 60, 2: 50}),
    "two marks below counts": ("counts", {-1: 100, -2: 50}),
    "a mark below counts and one lower": ("counts", {-1: 300, -3.5: 1}),
}


@pytest.mark.parametrize("parts", [1, 3, 10])
@pytest.mark.parametrize("case", sorted(APART))
def test_few_exact_values_beyond_a_gap_are_all_named(case: str, parts: int) -> None:
    kind, marks = APART[case]
    values = (counts_of_cars if kind == "cars" else counts)(0)
    places = np.random.default_rng(1).permutation(values.size)
    for value, count in marks.items():
        values.ravel()[places[:count]] = value
        places = places[count:]
    found = {question.value: question.count for question in questions(values, parts=parts)}
    assert found == marks


@pytest.mark.parametrize(
    "values",
    {
        "binary": np.random.default_rng(0).integers(0, 2, (STEPS, SENSORS)).astype(float),
        "directions": np.random.default_rng(0).choice([0.0, 90, 180, 270], (STEPS, SENSORS)),
        "classes": np.random.default_rng(0).choice([1.0, 2, 3, 4, 9], (STEPS, SENSORS)),
        "mild": (np.random.default_rng(0).normal(9, 3, (STEPS, SENSORS))).round(1).clip(-0.4),
        "whole degrees": np.random.default_rng(0).normal(9, 3, (STEPS, SENSORS)).round(),
        "heavy tails": np.random.default_rng(0).lognormal(0, 2, (STEPS, SENSORS)).round(),
        "held for a day": np.random.default_rng(0).lognormal(0, 2, (38, SENSORS)).repeat(24, 0),
        "bursts": np.random.default_rng(0).pareto(1, (STEPS, SENSORS)).round(2),
    }.values(),
    ids=str,
)
@pytest.mark.parametrize("parts", [1, 30])
def test_few_values_without_a_gap_are_readings(values: np.ndarray, parts: int) -> None:
    found = questions(values, parts=parts)
    assert [question for question in found if question.reason.startswith("one of few")] == []
