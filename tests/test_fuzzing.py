"""A small part of ``python -m benchmarks.robustness.fuzzing``, in this process."""

import warnings
from pathlib import Path

import pytest

from benchmarks.robustness.fuzzing.attempts import FAULTS, Family, outcome
from benchmarks.robustness.fuzzing.files import DataFiles
from benchmarks.robustness.fuzzing.jobs import JobFiles
from benchmarks.robustness.fuzzing.models import Models
from benchmarks.robustness.fuzzing.stores import Stores

FAMILIES: dict[str, tuple[Family, int]] = {
    "files": (DataFiles(), 200),
    "jobs": (JobFiles(), 100),
    "models": (Models(), 60),
    "stores": (Stores(), 60),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_damage_is_refused_in_one_sentence_or_harmless(
    tmp_path: Path, name: str, request: pytest.FixtureRequest
) -> None:
    family, number = FAMILIES[name]
    if request.config.getoption("--nightly"):
        number *= 5
    family.prepare(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numbers that overflow in damaged models
        found = [outcome(family, tmp_path, seed) for seed in range(number)]
    faults = [f"seed {one.seed}: {one.detail}" for one in found if one.outcome in FAULTS]
    assert not faults, "\n".join(faults[:3])
    assert {one.outcome for one in found} >= {"refused"}
