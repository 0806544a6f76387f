"""The simulation of weak scaling against second forms of its formulas, and the bytes that it counts
from a cut against those that two processes really send.
"""

from argparse import Namespace
from itertools import product
from math import isinf
from pathlib import Path
from statistics import fmean

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.scale.weak_scaling.computed import differing, expected_calls, large_cut
from benchmarks.scale.weak_scaling.halo_counts import CutCounts
from benchmarks.scale.weak_scaling.measured import (
    KINDS,
    Call,
    Step,
    recipe_for,
    series_length,
    spent,
    trained,
)
from benchmarks.scale.weak_scaling.simulation import (
    Interconnect,
    StepLoad,
    expected_slowest,
    simulated,
)
from dynst.data.partition import Subgraph
from dynst.data.synthetic import write_synthetic_field
from dynst.training.step_shares import StepShares

FREE = Interconnect("free", latency=0.0, bandwidth=float("inf"))
SLOW = Interconnect("slow", latency=1e-3, bandwidth=1e6)
SECONDS = st.floats(1e-3, 10.0)
SCALES = st.lists(st.sampled_from([0.5, 1.0, 1.5, 2.0]), min_size=1, max_size=4)


def load(workers: int, read: float = 100.0) -> StepLoad:
    return StepLoad([read] * workers, rows=[5e5, 5e5], sums=[4.0, 2e5])


@given(SECONDS, st.integers(1, 300))
def test_equal_workers_on_a_free_network_lose_nothing(seconds: float, workers: int) -> None:
    step = simulated(load(workers), [seconds], 100.0, FREE)
    assert step.seconds == pytest.approx(seconds)
    assert step.without_stragglers == pytest.approx(seconds)


@given(st.lists(SECONDS, min_size=1, max_size=4), SCALES)
def test_the_slowest_is_the_mean_over_all_ways_to_draw(
    times: list[float], scales: list[float]
) -> None:
    ways = product(times, repeat=len(scales))
    slowest = [max(t * s for t, s in zip(way, scales, strict=True)) for way in ways]
    assert expected_slowest(times, scales) == pytest.approx(fmean(slowest))


@given(st.lists(SECONDS, min_size=1, max_size=8), st.integers(1, 300))
def test_more_workers_wait_longer_and_never_beyond_the_longest_time(
    times: list[float], workers: int
) -> None:
    fewer, more = (expected_slowest(times, [1.0] * count) for count in (workers, workers + 1))
    assert fmean(times) * (1 - 1e-9) <= fewer <= more * (1 + 1e-9)
    assert more <= max(times) * (1 + 1e-9)


def ring_by_steps(joined: Interconnect, size: float, workers: int) -> float:
    """Reduce-scatter and all-gather: in each of their steps a worker sends one of n blocks."""
    steps = [joined.latency + size / workers / joined.bandwidth for _ in range(workers - 1)]
    return sum(steps) + sum(steps)


def doubling_by_steps(joined: Interconnect, size: float, workers: int) -> float:
    """The group whose sum a worker knows doubles until it is all of them."""
    seconds, known = 0.0, 1
    while known < workers:
        seconds, known = seconds + joined.latency + size / joined.bandwidth, 2 * known
    return seconds


@given(st.integers(1, 1000), st.floats(0, 1e9))
def test_collectives_cost_what_their_messages_do(workers: int, size: float) -> None:
    ring, doubling = ring_by_steps(SLOW, size, workers), doubling_by_steps(SLOW, size, workers)
    assert SLOW.ring(size, workers) == pytest.approx(ring)
    assert SLOW.doubling(size, workers) == pytest.approx(doubling)
    assert SLOW.all_reduce(size, workers) == pytest.approx(min(ring, doubling))
    messages = [SLOW.latency + size / (workers - 1) / SLOW.bandwidth for _ in range(workers - 1)]
    assert SLOW.exchange(size, workers) == pytest.approx(sum(messages))


def test_one_worker_sends_nothing() -> None:
    assert SLOW.exchange(1e9, 1) == SLOW.all_reduce(1e9, 1) == 0
    assert not isinf(FREE.all_reduce(1e9, 64))


def test_each_term_of_a_step_is_in_its_time() -> None:
    step = simulated(
        StepLoad([50.0, 100.0], rows=[1e6, 1e6], sums=[1e6], own=0.25), [1.0, 3.0], 50.0, SLOW
    )
    assert step.compute == 4.0  # the mean of 1 and 3, of the worker that reads twice as much
    assert step.slowest == pytest.approx((2 + 3 + 6 + 6) / 4 - 4.0)
    assert step.rows == pytest.approx(2 * (1e-3 + 1.0))
    assert step.sums == pytest.approx(1e-3 + 1.0)
    assert step.unavoidable == pytest.approx(4.0 + step.rows + step.sums)
    assert step.without_stragglers == pytest.approx(step.unavoidable + 0.25)
    assert step.seconds == pytest.approx(4.25 + 0.25 + step.rows + step.sums)


def line(size: int, parts: int) -> list[Subgraph]:
    """Sensors in a row that receive from both neighbours, cut into stretches."""
    stretches: list[Tensor] = list(torch.arange(size).chunk(parts))
    return [
        Subgraph(one, torch.arange(max(0, int(one[0]) - 1), min(size, int(one[-1]) + 2)))
        for one in stretches
    ]


def test_a_line_of_sensors_borders_on_one_or_two_workers() -> None:
    counts = CutCounts(line(40, 4), 40, StepShares(4, (0,)), workers=4)
    rows = counts.rows(range(4))
    assert rows.read.tolist() == [11, 12, 12, 11]
    assert rows.fetched.tolist() == rows.lent.tolist() == rows.partners.tolist() == [1, 2, 2, 1]
    assert [counts.held(worker) for worker in range(4)] == [11, 12, 12, 11]


def test_what_a_worker_fetches_another_one_lends() -> None:
    counts = CutCounts(line(40, 8), 40, StepShares(2, (0,)), workers=2)
    rows = counts.rows([3, 4])  # on either side of the border
    assert rows.fetched.tolist() == rows.lent.tolist() == rows.partners.tolist() == [1, 1]
    rows = counts.rows([3, 5])
    assert (rows.fetched.tolist(), rows.lent.tolist()) == ([1, 0], [0, 1])
    assert rows.partners.tolist() == [1, 1]
    assert counts.rows([2, 5]).partners.tolist() == [0, 0], "neighbours stay with one worker"


def test_time_before_the_last_worker_comes_to_a_call_is_waiting() -> None:
    def step(arrives: float) -> Step:
        calls = (Call("rows fetched", 8, 8, arrives, 6.0), Call("entries", 4, 4, 7.0, 7.5))
        return Step(0, False, 10, 0.0, 9.0, 10.0, 1.0, calls)

    found = spent([step(1.0), step(5.0)])
    assert found["waiting"] == 2.0  # 4 s of one of them
    assert found["rows fetched"] == 3.0 + 1.0  # packing, on average, and sending
    assert found["forward, backward"] == 1.0 + 1.5
    assert found["optimizer, choice"] == 1.0
    assert sum(found.values()) == 10.0
    assert set(found) == set(KINDS)


@pytest.mark.process
def test_two_processes_send_the_bytes_that_their_cut_says(tmp_path: Path) -> None:
    recipe = recipe_for(2, parts=2, windows=1, pairs=2)
    write_synthetic_field(tmp_path / "store", 80, series_length(recipe), seed=3)
    workers = trained(tmp_path / "store", 3, recipe, 2)
    options = Namespace(sensors=40, parts=2, windows=1, seeds=[3])
    cut = large_cut(tmp_path, 2, options)
    assert [step.is_probe for step in workers[0]] == [True, False, True, False]
    assert not differing(workers, cut, 3)
    calls = expected_calls(cut, workers[0][0].number, probe=True)[0]
    assert [kind for kind, *_ in calls][-1] == "importance"
    assert calls[0][1] > 0
    other = Step(**vars(workers[0][0]) | {"calls": workers[0][0].calls[:-1]})
    assert differing([[other], workers[1][:1]], cut, 3) == [other]
