"""The benchmark for a GPU works at first touch: all of it runs on the CPU, no failure spreads."""

import ast
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import gpu
from benchmarks.gpu_sections import compiled, run, section, waits
from benchmarks.gpu_sections.scale import DRY, Scale
from benchmarks.gpu_sections.section import Deadline, Row, answered
from benchmarks.gpu_sections.trainings import experiment, half_of, network

ROOT = Path(__file__).parents[2]
NUM_ROWS = {
    "largest_ca": 6,
    "growth": 3,
    "compact": 9,
    "compiled": 4,
    "precision": 9,
    "waits": 6,
}
UNWANTED = {
    "click",
    "dynst_platform",
    "h5py",
    "matplotlib",
    "mlflow",
    "ray",
    "rich",
    "torch_geometric",
    "yaml",
}
BLOCKED = """
import sys
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ImportError(f"{{name}} was imported")
sys.meta_path.insert(0, Refused())
"""
ALL_IN_ONE = """
from benchmarks.gpu_sections import run, scale
for name in run.SECTIONS:
    print(name)
    run.write_rows(name, scale.DRY, 900)
"""


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment without DynST installed, nor anything but what it says that it needs."""
    blocked = tmp_path / "site" / "sitecustomize.py"
    blocked.parent.mkdir()
    blocked.write_text(BLOCKED.format(names=UNWANTED))
    return os.environ | {"PYTHONPATH": str(blocked.parent), "OMP_NUM_THREADS": "1"}


def tables_of(page: str) -> dict[str, list[list[str]]]:
    """The rows below each heading, without those of names and the rule."""
    found = {}
    for block in page.split("\n## ")[1:]:
        rows = [line.strip("|").split("|") for line in block.splitlines() if line.startswith("|")]
        found[block.splitlines()[0]] = [[cell.strip() for cell in row] for row in rows[2:]]
    return found


@pytest.mark.process
def test_every_section_answers_without_the_platform(tmp_path: Path, bare: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALL_IN_ONE],
        cwd=tmp_path,
        env=bare | {"PYTHONPATH": os.pathsep.join([bare["PYTHONPATH"], str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[Row]] = {}
    for line in done.stdout.splitlines():
        if line in run.SECTIONS:
            rows = found[line] = []
        else:
            rows.append(json.loads(line)["row"])
    assert {name: len(rows) for name, rows in found.items()} == NUM_ROWS
    for name, rows in found.items():
        assert {len(cells) for cells in rows} == {len(run.SECTIONS[name].columns)}
        assert {cells[-1] for cells in rows} == {""}


@pytest.mark.process
@pytest.mark.parametrize(
    "names", [["waits"], pytest.param(list(NUM_ROWS), marks=pytest.mark.nightly)]
)
def test_a_dry_run_makes_its_page_in_a_bare_checkout(
    tmp_path: Path, bare: dict[str, str], names: list[str]
) -> None:
    page = tmp_path / "gpu.md"
    words = ["--dry-run", "--out", str(page), "--seconds", "900"]  # other tests may run beside it
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), *words, "--only", *names],
        cwd=tmp_path,
        env=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert "cut short" not in text
    assert done.stdout.rstrip() == text.rstrip()
    tables = tables_of(text)
    assert [len(rows) for rows in tables.values()] == [NUM_ROWS[name] for name in names]
    assert {row[-1] for rows in tables.values() for row in rows} == {""}
    assert not gpu.PAGE.exists() or "Dry run" not in gpu.PAGE.read_text()


def test_what_is_needed_is_what_the_modules_that_are_used_import() -> None:
    code = (
        "import sys, benchmarks.gpu_sections.run;"
        "print('\\n'.join(module.__file__ for name, module in sys.modules.items()"
        " if name.partition('.')[0] in ('dynst', 'benchmarks') and module.__file__))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    imported = {name for file in done.stdout.split() for name in imports_of(Path(file))}
    own = {"dynst", "benchmarks", *sys.stdlib_module_names}
    assert imported - own == set(gpu.NEEDED)


def imports_of(file: Path) -> Iterator[str]:
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def test_what_is_missing_is_named_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = {"cftime", "pydantic"}
    monkeypatch.setattr(gpu, "find_spec", lambda name: None if name in there else name)
    assert gpu.main(["--dry-run"]) == 1
    assert capsys.readouterr().err == (
        "what DynST imports is missing here: install cftime, pydantic\n"
    )


def test_a_package_that_is_broken_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "benchmarks.gpu_sections", None)
    assert gpu.main(["--dry-run"]) == 1
    assert capsys.readouterr().err.startswith("DynST cannot be imported here: ")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main([]) == 1
    assert "no GPU was found" in capsys.readouterr().err


def test_a_row_that_fails_says_why_and_leaves_the_others_alone() -> None:
    def fails() -> list[str]:
        raise RuntimeError("a kernel\n| is not there")

    def is_too_large() -> list[str]:
        raise torch.OutOfMemoryError("tried to allocate 3 GiB")

    line = fails.__code__.co_firstlineno + 1
    found = [answered(["a"], 4, Deadline(60), call) for call in (fails, is_too_large)]
    assert found == [
        ["a", "–", "–", f"failed: RuntimeError in test_gpu.py:{line}: a kernel / is not there"],
        ["a", "–", "–", "out of memory: tried to allocate 3 GiB"],
    ]
    assert answered(["a"], 4, Deadline(60), lambda: ["1", "2", ""]) == ["a", "1", "2", ""]


def test_no_row_begins_that_would_not_end_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(section, "perf_counter", lambda: now[0])

    def slow() -> list[str]:
        now[0] += 4
        return [""]

    deadline = Deadline(10)
    rows = [answered(["a"], 2, deadline, slow)[-1] for _ in range(3)]
    assert rows == ["", "", "not run: the section's time was nearly over"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("raise MemoryError('no room')", "exit code 1; MemoryError: no room"),
        ("import time; time.sleep(60)", "its 3 s were over"),
    ],
)
def test_a_section_that_ends_early_keeps_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, why: str
) -> None:
    script = tmp_path / "gpu.py"
    script.write_text(f'print(\'{{"row": ["a", "1"]}}\', flush=True)\n{body}\n')
    monkeypatch.setattr(gpu, "__file__", str(script))
    rows, remark = gpu.in_own_process("waits", 3, True)
    assert rows == [["a", "1"]]
    assert remark == f"**The section was cut short: {why}.**"


def test_the_others_run_after_a_section_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def process(name: str, seconds: float, dry: bool) -> tuple[list[Row], str]:
        return ([], "**It broke.**") if name == "growth" else ([["x"]], "")

    monkeypatch.setattr(gpu, "in_own_process", process)
    page = gpu.page("One GPU", "A machine.", list(gpu.SHARES), 100, False)
    assert [heading in page for heading in ("## Growth", "## Waits")] == [True, True]
    assert page.count("| x |") == len(gpu.SHARES) - 1
    assert page.count("It broke") == 1


def test_all_shares_of_the_time_are_sections() -> None:
    assert list(gpu.SHARES) == list(run.SECTIONS)
    assert gpu.SECONDS <= 9 * 60 - 30
    assert gpu.DRY_SECONDS <= 120


@pytest.mark.filterwarnings("ignore:called a sync", "ignore:something else")
def test_waits_are_counted_from_one_batch_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch warns of each; here the optimizer's step does, and something else is warned of."""
    small: Scale = replace(DRY, steps=4)
    with network(12, 250) as store:
        training = half_of(experiment(store, small, "linear", 4))
    step = torch.optim.AdamW.step

    def waiting(optimizer: torch.optim.AdamW, *words: object) -> object:
        warnings.warn(f"{waits.WAIT} (here)", stacklevel=1)
        warnings.warn("something else", stacklevel=1)
        return step(optimizer, *words)

    monkeypatch.setattr(torch.optim.AdamW, "step", waiting)
    counts, places = waits.waits_of_steps(training)
    assert counts == [1, 1, 1]
    assert sum(places.values()) == 3
    assert next(iter(places)).startswith("test_gpu.py:")


def test_steps_that_could_not_be_compiled_are_a_remark(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(graph: object, inputs: object) -> None:
        raise RuntimeError("no compiler")

    # the sections set the backend of their scale
    monkeypatch.setattr(compiled.compiled, "BACKEND", refuses)
    with network(12, 250) as store:
        data = experiment(store, DRY, "linear", 4).dataset
        cells = compiled.measured(store, DRY, data, "linear", "all", "float32")
    assert len(cells) == len(compiled.COLUMNS) - 3
    assert cells[-1].startswith("steps are not compiled from here on")
    assert "no compiler" in cells[-1]
