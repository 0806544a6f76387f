"""Rules of the house that no linter keeps."""

import ast
import io
import re
import subprocess
import sys
import tokenize
import zipfile
from collections.abc import Iterator
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


PRIVATE_NAMES = {  # of definitions that meant nothing to others, by what has taken their place
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
            for name in defined & set(PRIVATE_NAMES):
                raise AssertionError(
                    f"{file} defines {name}; the word for it is {PRIVATE_NAMES[name]}"
                )


PRIVATE_WORDS = {  # of prose, as PRIVATE_NAMES of definitions: what the field says instead
    "backlog": "outbox",
    "brought": "converted, restarted",
    "chooser": "selector",
    "companies": "random subsets",
    "company": "random subset",
    "conductor": "driver",
    "deaf": "masked",
    "handed over": "passed, delivered",
    "hands over": "passes, delivers",
    "hear": "attend to, receive from",
    "heard": "received from, notified",
    "hearing": "attending to, receiving from",
    "hears": "attends to, receives from",
    "judge": "evaluator",
    "judged": "evaluated",
    "judges": "evaluates",
    "knock": "connect, wait",
    "last words": "failure file",
    "listener": "receiver",
    "listeners": "receivers",
    "mixing": "aggregation",
    "picture": "figure, image",
    "pictures": "figures, images",
    "piece": "task, block",
    "pieces": "tasks, blocks",
    "shared network": "supernet",
    "somebody": "another user, another process",
    "speaker": "sender",
    "speakers": "senders",
    "talks to": "connects to, uses",
    "tells": "reports, identifies",
    "told": "reported, notified",
    "wishes": "options",
}
ANY_PRIVATE_WORD = re.compile(
    rf"(?<![\w/.-])({'|'.join(PRIVATE_WORDS)})(?![\w-])".replace(" ", r"\s+"), re.IGNORECASE
)
CODE_IN_PROSE = re.compile(r"```.*?```|(``?)(?:[^`\n]|\n(?!\n))*\1", re.DOTALL)
FIXED_TEXTS = ("tests/compatibility/forms/", "benchmarks/results.md")  # written by programs


def private_words_in(name: str, text: str) -> list[str]:
    """Each use of a private word in a file's prose, as ``file:line`` and what to write instead."""
    uses = []
    for first_line, prose in prose_in(text) if name.endswith(".py") else [(1, text)]:
        prose = CODE_IN_PROSE.sub(lambda code: re.sub(r"[^\n]", "_", code[0]), prose)
        for found in ANY_PRIVATE_WORD.finditer(prose):
            line = first_line + prose.count("\n", 0, found.start())
            word = " ".join(found[0].lower().split())
            uses.append(f"{name}:{line}: '{word}'; write: {PRIVATE_WORDS[word]}")
    return uses


def prose_in(source: str) -> Iterator[tuple[int, str]]:
    """The docstrings, also those of variables, and the comments of a Python file."""
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            yield node.lineno, "".join(lines[node.lineno - 1 : node.end_lineno])
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def test_prose_has_no_private_word() -> None:
    """In docstrings, comments and documents; code, code spans and file names are left out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.py", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    assert "tests/test_house.py" in names
    uses = [
        use
        for name in names
        if not name.startswith(FIXED_TEXTS)
        for use in private_words_in(name, (ROOT / name).read_text(encoding="utf-8"))
    ]
    assert not uses, "\n".join(uses)


def test_a_private_word_is_found_in_prose_alone() -> None:
    source = (
        'def told(piece):\n    """The sum.\n\n    A Listener of ``2 pieces``, a shared\n'
        '    network.\n    """\n    return "told"  # by somebody\n'
    )
    assert private_words_in("a.py", source) == [
        "a.py:4: 'listener'; write: receiver",
        "a.py:4: 'shared network'; write: supernet",
        "a.py:7: 'somebody'; write: another user, another process",
    ]
    document = (
        "What `told` means.\n\n```\nhears\n```\n\nA judge hears: docs/company.md, ask-and-told.\n"
    )
    assert private_words_in("a.md", document) == [
        "a.md:7: 'judge'; write: evaluator",
        "a.md:7: 'hears'; write: attends to, receives from",
    ]
