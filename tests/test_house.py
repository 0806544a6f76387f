"""Rules of the house that no linter keeps."""

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.process
def test_platform_is_a_source_root_and_no_package() -> None:
    """With an __init__.py it would shadow the standard library's platform module for all that runs
    from the root.
    """
    assert not (ROOT / "platform" / "__init__.py").exists()
    done = subprocess.run(
        [sys.executable, "-c", "import platform; print(platform.__file__)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(ROOT) not in done.stdout


@pytest.mark.process
def test_wheel_holds_both_packages_and_nothing_else(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True)
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"dynst", "dynst_platform"}
    assert {"dynst/py.typed", "dynst_platform/py.typed", "dynst_platform/main.py"} <= set(names)


@pytest.mark.process
def test_help_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'ray', 'mlflow', 'pandas', 'pydantic', 'pyarrow', 'matplotlib', 'rich'}"
    code = f"import sys, dynst_platform.main; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_module_names_what_it_offers() -> None:
    for package in ("dynst", "platform/dynst_platform"):
        for file in (ROOT / package).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            assert text.startswith('"""'), f"{file} has no docstring"
            assert file.name == "__init__.py" or "__all__ = [" in text, f"{file} has no __all__"


PRIVATE = {  # names that meant nothing to anybody else, by what has taken their place
    "Hearing": "HeadAggregation",
    "Listening": "LocationAttention",
    "Mixing": "Aggregation",
    "Links": "Neighborhood",
    "Geometry": "Topology",
    "Judge": "SubsetEvaluator",
    "Chooser": "SensorSelector",
    "Known": "BaselineInputs",
    "Given": "FixedScores",
    "Found": "SelectionResult, FoundCheckpoint",
    "FEW": "PROPOSAL_STRIDE",
    "FEWER": "ELIMINATION_STRIDE",
    "Demands": "ConstraintSpec",
    "Marked": "PinExclude",
    "worth": "objective",
    "Part": "Subgraph",
    "Rotation": "PartitionSampler",
    "Turns": "StepKind",
    "sent": "to_device",
    "moved": "module_on",
    "on_host": "to_cpu",
    "JobPosition": "RunState",
    "RETOLD": "REPLAY_WINDOW",
    "last_words": "read_failure",
    "ends_at_once": "record_failure",
    "Left": "Undelivered",
    "Backlog": "Outbox",
    "alone_in": "folder_lock",
    "Carried": "SubmissionContext",
    "Wishes": "SubmitOptions",
    "Conductor": "TrialDriver",
    "Cell": "Task",
    "Product": "TaskResult",
    "carried_out": "study_run",
    "why_not_instead": "reasons_to_keep_champion",
    "QUIET_AND_QUICK": "ENV_DEFAULTS",
}


def test_no_definition_has_a_private_name() -> None:
    """Neither a class, nor a function or method, nor a constant of a module."""
    for package in ("dynst", "platform/dynst_platform"):
        for file in (ROOT / package).rglob("*.py"):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            defined = {
                node.name
                for node in ast.walk(tree)
                if isinstance(node, ast.ClassDef | ast.FunctionDef)
            }
            for node in tree.body:
                targets = node.targets if isinstance(node, ast.Assign) else []
                defined |= {
                    name.id
                    for target in targets
                    for name in ast.walk(target)
                    if isinstance(name, ast.Name)
                }
            for name in defined & set(PRIVATE):
                raise AssertionError(f"{file} defines {name}; the word for it is {PRIVATE[name]}")
