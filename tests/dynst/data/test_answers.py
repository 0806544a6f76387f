"""Open questions of a store: asked until answered, with a new digest where values change."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dynst.data.answers import answer_questions, reminder
from dynst.data.importers.import_store import import_store
from dynst.data.store import open_store
from dynst.errors import ConfigError

STEPS = 300


@pytest.fixture
def readings(tmp_path: Path) -> Path:
    """Counts with -1 and 9999 among them."""
    values = np.random.default_rng(0).poisson(20, (STEPS, 3)).astype(float)
    values[5, 1] = values[70, 2] = -1
    values[9, 0] = 9999
    frame = pd.DataFrame(values, pd.date_range("2024-01-01", periods=STEPS, freq="h"), list("abc"))
    frame.to_csv(tmp_path / "counts.csv", index_label="time")
    return tmp_path / "counts.csv"


def test_an_answer_makes_the_store_that_an_import_with_it_makes(
    tmp_path: Path, readings: Path
) -> None:
    report = import_store(readings, tmp_path / "asked")
    import_store(readings, tmp_path / "told", missing=(-1.0, 9999.0))
    before, told = open_store(tmp_path / "asked"), open_store(tmp_path / "told")
    assert {question.value for question in report.questions} == {-1, 9999}
    assert before.manifest.questions == report.questions
    assert before.readings.observed.all()
    half = answer_questions(tmp_path / "asked", (-1.0,))
    assert [question.value for question in half.manifest.questions] == [9999]
    assert half.manifest.digest not in {before.manifest.digest, told.manifest.digest}
    whole = answer_questions(tmp_path / "asked", (9999.0,))
    assert whole.manifest.digest == told.manifest.digest
    assert whole.manifest.missing == (-1, 9999)
    assert np.argwhere(~whole.readings.observed[..., 0]).tolist() == [[5, 1], [9, 0], [70, 2]]
    assert not whole.manifest.questions
    assert sorted(path.name for path in tmp_path.iterdir()) == ["asked", "counts.csv", "told"]


def test_none_keeps_values_and_digest(tmp_path: Path, readings: Path) -> None:
    import_store(readings, tmp_path / "store")
    before = open_store(tmp_path / "store").manifest
    after = answer_questions(tmp_path / "store").manifest
    assert (after.questions, after.digest) == ((), before.digest)


def test_a_value_that_is_not_in_question_is_refused(tmp_path: Path, readings: Path) -> None:
    import_store(readings, tmp_path / "store")
    with pytest.raises(ConfigError, match=r"asks about -1, 9999; .*--missing 20"):
        answer_questions(tmp_path / "store", (20.0,))


def test_a_failed_answer_leaves_the_store_as_it_was(
    tmp_path: Path, readings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_store(readings, tmp_path / "store")
    before = open_store(tmp_path / "store").manifest

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dynst.data.answers._copy", full)
    with pytest.raises(OSError, match="No space"):
        answer_questions(tmp_path / "store", (-1.0,))
    assert open_store(tmp_path / "store").manifest == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["counts.csv", "store"]


def test_the_reminder_names_both_commands(tmp_path: Path, readings: Path) -> None:
    import_store(readings, tmp_path / "store")
    lines = reminder(open_store(tmp_path / "store").manifest, "stores/mine")
    assert len(lines) == 2
    assert all("dynst data answer stores/mine missing=" in line for line in lines)
    assert all("dynst data answer stores/mine none" in line for line in lines)
