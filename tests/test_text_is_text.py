"""Texts of others reach each medium through the one module that knows what it makes of them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PLATFORM = Path(__file__).parents[1] / "platform" / "dynst_platform"
ONLY_IN = {  # what a module may use nowhere else
    "rich": "terminal/",
    "print": "terminal/",
    "echo": ("terminal/", "main.py"),  # of click
    "secho": "terminal/",
    "to_csv": "csv_files.py",
    "search_runs": ("tracking/mlflow_texts.py", "model_registry/runs.py"),
    "Metric": "tracking/mlflow_runs.py",
    "Param": "tracking/mlflow_runs.py",
}


def uses_in(source: str) -> Iterator[str]:
    """The names of ``ONLY_IN`` that a module imports or calls, and savers of bare figures."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            module = [node.module or ""] if isinstance(node, ast.ImportFrom) else names
            yield from (name.partition(".")[0] for name in module)
        elif isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name != "savefig":
                yield name
        elif isinstance(node, ast.FunctionDef):
            decorated = {getattr(each, "id", "") for each in node.decorator_list}
            saves = any(getattr(each, "attr", "") == "savefig" for each in ast.walk(node))
            if saves and "plain_texts" not in decorated:
                yield "savefig"


def test_no_text_goes_another_way() -> None:
    for file in PLATFORM.rglob("*.py"):
        place = file.relative_to(PLATFORM).as_posix()
        for use in uses_in(file.read_text(encoding="utf-8")):
            assert use != "savefig", f"{place} saves a figure without @plain_texts"
            assert use not in ONLY_IN or place.startswith(ONLY_IN[use]), f"{place} uses {use}"


@pytest.mark.parametrize(
    "source",
    [
        "from rich.table import Table",
        "import rich",
        "click.echo(f'{name}')",
        "console.print(name)",
        "print(name)",
        "def draw(path):\n    figure.savefig(path)",
        "table.to_csv(path)",
        "client.search_runs([], f\"a = '{name}'\")",
    ],
)
def test_the_rule_finds_what_it_forbids(source: str) -> None:
    assert {"savefig", *ONLY_IN} & set(uses_in(source))
