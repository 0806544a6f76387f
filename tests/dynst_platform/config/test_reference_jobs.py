"""Jobs that train published networks on the published files, which are not at hand: at least they
are whole.
"""

import re
from pathlib import Path

import pytest

from dynst_platform.config.files import load_job

FILES = sorted((Path(__file__).parents[3] / "jobs" / "reference").glob("*.yaml"))
PUBLISHED = re.compile(
    r"^# published: (MAE|MSE|RMSE) \d+\.\d+.* \(network: .+ 20\d\d.*\)$", re.MULTILINE
)


def test_there_are_some() -> None:
    assert len(FILES) == 9


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_reference_job_is_valid_and_says_how_to_get_its_data(path: Path) -> None:
    job, text = load_job(path), path.read_text(encoding="utf-8")
    assert job.name == f"reference-{path.stem.replace('_', '-')}"
    assert re.search(rf"^#.*dynst data import \S+ {job.data.store}( |$)", text, re.MULTILINE)
    assert len(PUBLISHED.findall(text)) == 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_trains_one_dense_network_and_nothing_else(path: Path) -> None:
    job = load_job(path)
    assert job.sparsity.final == 0
    assert not job.sparsity.dropout
    assert not job.references.dense
    assert job.references.random == 0
