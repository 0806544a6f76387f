"""Trainings side by side: rows, front, conditions, and the page that opens without a network."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from dynst.errors import ConfigError
from dynst_platform.commands.compare.workflow import COLUMNS, compare
from dynst_platform.main import cli
from tests.dynst_platform.model_registry.conftest import Trained

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"
)


def test_every_training_has_a_row(trained: Trained) -> None:
    found = compare("small")
    assert [row["kind"] for row in found.rows].count("learned") == 2
    assert [row["kind"] for row in found.rows].count("dense") == 2
    by_run = {row["run_id"]: row for row in found.rows}
    half = by_run[trained.runs["half"]]
    assert half["sparsity"] == 0.5
    assert half["cost"] == 4
    metrics = trained.client.get_run(trained.runs["half"]).data.metrics
    assert half["over_dense"] == pytest.approx(
        metrics["test/mae_all"] / metrics["dense/mae_all"] - 1
    )
    assert half["promotable"]
    assert found.varied[trained.runs["half"]] == {"sparsity.final": "0.5"}
    errors = [row["mae_all"] for row in found.rows]
    assert errors == sorted(errors)


def test_the_front_is_of_sparse_trainings(trained: Trained) -> None:
    rows = compare("small").rows
    front = [row for row in rows if row["front"]]
    assert front
    assert {row["kind"] for row in front} == {"learned"}
    assert trained.runs["half"] in {row["run_id"] for row in front}, "nobody has more sensors off"


def test_conditions_and_order(trained: Trained) -> None:
    assert [
        row["run_id"] for row in compare("small", "sparsity > 0.4 and kind == 'learned'").rows
    ] == [trained.runs["half"]]
    costs = [row["cost"] for row in compare("small", sort="-cost").rows]
    assert costs == sorted(costs, reverse=True)
    with pytest.raises(
        ConfigError, match=r"--filter must be a condition over name, .* but got 'sparsty > 1'"
    ):
        compare("small", "sparsty > 1")
    with pytest.raises(ConfigError, match="--sort must be one of name, "):
        compare("small", sort="speed")
    with pytest.raises(ConfigError, match="has no experiment 'nowhere'"):
        compare("nowhere")


def test_forms_for_programs(trained: Trained) -> None:
    said = CliRunner().invoke(cli, ["compare", "small", "--format", "json"])
    assert len(json.loads(said.stdout)["runs"]) == 4
    said = CliRunner().invoke(cli, ["compare", "small", "--format", "csv"])
    assert tuple(next(csv.reader(io.StringIO(said.stdout)))) == COLUMNS
    said = CliRunner().invoke(cli, ["compare", "small"])
    assert "vs dense" in said.stdout


def test_the_page_needs_no_network(trained: Trained, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert CliRunner().invoke(cli, ["compare", "small", "--html", str(page)]).exit_code == 0
    text = page.read_text(encoding="utf-8")
    assert text.count("data:image/png;base64,") == 2, "the picture and the map"
    assert not re.search(r"""(src|href)=["'](?!data:)""", text)
    assert "dynst compare small --html page.html" in text
    assert all(row["name"] in text for row in compare("small").rows)
