"""The README's second half, word for word, after a small sweep: compare, promote, plan,
forecast.
"""

import re
import shlex
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests.dynst_platform.command_line import COMMAND, clean_environment

pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[1]
SMALL = {
    "trials": 2,
    "job.training.epochs": 8,
    "job.training.steps_per_epoch": 20,
    "job.search.windows": 32,
    "job.promotion.max_over_dense": 0.5,
}


def commands_of(heading: str) -> list[list[str]]:
    """The shell lines below a heading of the README."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split(f"\n## {heading}\n")[1]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block is not None
    return [shlex.split(line, comments=True) for line in block[1].splitlines() if line.strip()]


def run(words: list[str], folder: Path, *more: str) -> str:
    assert words[0] == ".venv/bin/dynst"
    paths = [str(ROOT / word) if word.startswith("jobs/") else word for word in words[1:]]
    environment = clean_environment(DYNST_HOME=str(folder))
    done = subprocess.run(
        [*COMMAND, *paths, *more],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{words}: {done.stdout[-1000:]} {done.stderr[-2000:]}"
    return done.stdout


def test_from_a_sweep_to_a_forecast(tmp_path: Path) -> None:
    settings = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    assert "trial" in run(commands_of("Search the settings")[0], tmp_path, *settings)
    compare, promote, sensors, forecast = commands_of("Put the best into service")
    assert "quickstart-sweep" in run(compare, tmp_path)
    assert "is version 1 of 'auckland', the champion" in run(promote, tmp_path)
    assert "sensors stay on" in run(sensors, tmp_path)
    assert "for 21 locations" in run(forecast, tmp_path)
    assert (tmp_path / "sweep.html").stat().st_size > 50_000
    assert (tmp_path / "plan.html").stat().st_size > 50_000
    table = pd.read_csv(tmp_path / "next.csv")
    assert table.shape == (12, 22)
    assert table.notna().all().all()
