"""A model reads the steps that it was trained on, whatever rows it is given."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynst.data.clock import SECONDS, Clock
from dynst.errors import ArtifactError
from dynst.models.last_window import last_window


@given(
    step=st.sampled_from([1, 300, 3600]),
    kept=st.sets(st.integers(0, 40), min_size=2),
    window=st.integers(1, 12),
)
def test_left_out_steps_are_missing_as_in_pandas(step: int, kept: set[int], window: int) -> None:
    rows = sorted(kept)
    if 1 not in np.diff(rows):
        rows = sorted({*rows, rows[-1] + 1})
    time = step * np.array(rows)
    readings = np.random.default_rng(0).random((len(rows), 2, 1)).astype(np.float32)
    steps, found = last_window(time, readings, window, step, SECONDS)
    frame = pd.DataFrame(readings[..., 0], index=rows)
    wanted = frame.reindex(range(rows[-1] - window + 1, rows[-1] + 1)).to_numpy()
    assert steps.tolist() == [step * row for row in range(rows[-1] - window + 1, rows[-1] + 1)]
    np.testing.assert_array_equal(found[..., 0], wanted)


@pytest.mark.parametrize(
    ("time", "words"),
    [
        ([0, 7200, 3600], r"row 3 \(1970-01-01 01:00:00\) is not after"),
        ([0, 3600, 3600], "row 3"),
        ([0, 60, 120], "1 h, but rows are 1 min apart"),
        ([0, 7200, 14400], "1 h, but rows are 2 h apart"),
        ([0, 3600, 7260], "1 h, but rows are 61 min apart"),
    ],
)
def test_another_order_or_step_is_refused(time: list[int], words: str) -> None:
    with pytest.raises(ArtifactError, match=words):
        last_window(np.array(time), np.zeros((3, 1, 1)), 3, 3600, SECONDS)


def test_months_are_steps() -> None:
    time = np.array([600, 601, 603])
    steps, found = last_window(time, np.ones((3, 1, 1)), 4, 1, Clock(unit="month"))
    assert steps.tolist() == [600, 601, 602, 603]
    assert np.isnan(found[:, 0, 0]).tolist() == [False, False, True, False]
