"""Whether the tests notice a fault in the core: a seeded sample of mutants, and the survivors.

    pip install "mutmut>=3.8,<4"        (the dev extra has it)
    python -m benchmarks.robustness.mutation --sample 300 --seed 0 --out mutation.json

mutmut puts one small fault at a time into a function of the files ``MUTATED``. It runs the tests
among ``TESTS`` that call this function, the fastest first, until one fails. Each mutant runs in a
fork of a process that has imported everything. Constants of modules are not mutated. Nor are
functions with a decorator, except static and class methods.

Each file is sampled in proportion to the number of its mutants. All of it happens in a temporary
copy, and the working tree stays as it is.

``--previous mutation.json`` is for the figures after new tests, where the code under test is the
same. Killed mutants are taken from that file, and only the survivors run again. So do mutants that
ran out of time. They count as killed, but a busy machine can be the reason too.
"""

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import get_mutant_name, orig_function_and_class_names_from_key

from benchmarks.support.commands import ROOT
from benchmarks.support.options import parser_for
from benchmarks.support.tables import header, row

COPIED = {"dynst": "dynst", "platform/dynst_platform": "dynst_platform", "tests": "tests"}
MUTATED = (
    "dynst/sparsity/**/*.py",
    *(
        f"dynst/models/layers/{name}.py"
        for name in ("dense_topology", "sparse_ops", "gated_aggregation", "sparse_topology")
    ),
    *(f"dynst/data/{name}.py" for name in ("scaler", "windows")),
    *(f"dynst/evaluation/{name}.py" for name in ("summary", "error_table")),
    "dynst_platform/model_registry/policy.py",
)
TESTS = (
    *(
        f"tests/dynst/{folder}"
        for folder in ("evaluation", "experiment", "models", "selection", "sparsity", "training")
    ),
    *(f"tests/dynst/data/test_{name}.py" for name in ("anomalies", "patches", "scaler", "windows")),
    "tests/dynst_platform/model_registry/test_policy.py",
    "tests/contracts",
)
LEFT_OUT = "compiling or onnx or ranks or pictures"  # slow, or compilers that mutmut's code stops
OPTIONS = ("-m", "not process and not browser", "-k", f"not ({LEFT_OUT})", "--hypothesis-seed=0")
TIMES = {"timeout_multiplier": 5, "timeout_constant": 20}  # of what tests take, and in seconds
KILLED = {"killed", "timeout", "segfault"}


@dataclass(frozen=True)
class Mutant:
    name: str  # what mutmut calls it
    file: str
    status: str
    line: int
    diff: str  # on one line


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--previous", type=Path, help="take over what was killed there")
    parser.add_argument("--out", type=Path, help="write every mutant of the sample there")
    options = parser.parse_args()
    known = [] if options.previous is None else read_mutants(options.previous)
    out = None if options.out is None else options.out.absolute()
    with tempfile.TemporaryDirectory() as folder:
        copy_project(Path(folder))
        os.chdir(folder)  # where mutmut looks for everything
        sample = drawn({file: names_in(file) for file in mutated_in(Path())}, options)
        found = [one for one in known if one.name in sample and one.status == "killed"]
        new = sorted(sample.keys() - {mutant.name for mutant in found})
        run_mutmut(new)
        found += [mutant_of(name, sample[name]) for name in new]
        os.chdir(ROOT)
    found.sort(key=lambda mutant: (mutant.file, mutant.line, mutant.name))
    if out is not None:
        out.write_text(json.dumps([asdict(mutant) for mutant in found], indent=1) + "\n")
    tool = f"mutmut {version('mutmut')}, Python {sys.version.split()[0]}"
    print(f"{tool}; {len(found)} mutants, seed {options.seed}\n")
    print(f"{table(found)}\n\n{survivors(found)}")


def read_mutants(file: Path) -> list[Mutant]:
    return [Mutant(**row) for row in json.loads(file.read_text())]


def copy_project(folder: Path) -> None:
    """The platform's package stands beside the method's: mutmut takes paths for modules' names."""
    skipped = shutil.ignore_patterns("__pycache__", ".*")
    for source, target in COPIED.items():
        shutil.copytree(ROOT / source, folder / target, ignore=skipped)
    shutil.copy(ROOT / "pyproject.toml", folder)
    lists = {
        "source_paths": ("dynst", "dynst_platform"),
        "only_mutate": map(str, mutated_in(folder)),
        "pytest_add_cli_args_test_selection": TESTS,
        "pytest_add_cli_args": OPTIONS,
    }
    lines = ["[mutmut]", "use_git_change_detection = false", "track_dependencies = false"]
    lines += [f"{name} = {value}" for name, value in TIMES.items()]
    lines += ["\n    ".join([f"{name} =", *values]) for name, values in lists.items()]
    (folder / "setup.cfg").write_text("\n".join(lines) + "\n")


def mutated_in(folder: Path) -> list[Path]:
    files = (path for pattern in MUTATED for path in folder.glob(pattern))
    return sorted(path.relative_to(folder) for path in files)


def names_in(file: Path) -> list[str]:
    mutated = mutate_file_contents(str(file), file.read_text())
    return [get_mutant_name(file, name) for name in mutated.mutant_names]


def drawn(names: dict[Path, list[str]], options: argparse.Namespace) -> dict[str, Path]:
    """The sample, with the file of each: shares of it are rounded by the largest remainders."""
    total = sum(map(len, names.values()))
    size = min(options.sample, total)
    share = {file: size * len(mutants) / total for file, mutants in names.items()}
    count = {file: int(part) for file, part in share.items()}
    by_remainder = sorted(share, key=lambda file: (count[file] - share[file], str(file)))
    for file in by_remainder[: size - sum(count.values())]:
        count[file] += 1
    sample: dict[str, Path] = {}
    for file, mutants in names.items():
        own = random.Random(f"{options.seed} {file}")  # so that no file's draw moves another's
        sample |= dict.fromkeys(own.sample(mutants, count[file]), file)
    return sample


def run_mutmut(names: list[str]) -> None:
    """One process at a time, of one thread. Without names mutmut would run all there are."""
    if not names:
        return
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    start = "from mutmut.__main__ import cli; cli()"
    command = [sys.executable, "-c", start, "run", "--max-children", "1", *names]
    environment["OMP_NUM_THREADS"] = "1"
    subprocess.run(command, env=environment, stdout=sys.stderr, check=True)


def mutant_of(name: str, file: Path) -> Mutant:
    exit_codes = json.loads(Path(f"mutants/{file}.meta").read_text())["exit_code_by_key"]
    diff = get_diff_for_mutant(name, path=file).splitlines()[2:]
    start = int(diff[0].split()[1].split(",")[0][1:])  # of the first hunk, in the function
    removed = next(number for number, line in enumerate(diff) if line.startswith("-"))
    line = first_line(name, file) + start + removed - 2
    change = " → ".join(changed(diff, sign) for sign in "-+")
    return Mutant(name, str(file), status_by_exit_code[exit_codes[name]], line, change)


def changed(diff: list[str], sign: str) -> str:
    return " ".join(line[1:].strip() for line in diff if line.startswith(sign)) or "(nothing)"


def first_line(name: str, file: Path) -> int:
    """Of the function, its decorators included."""
    function, owner = orig_function_and_class_names_from_key(name)
    body = ast.parse(file.read_text()).body
    found = named(body if owner is None else named(body, owner).body, function)
    return min([found.lineno, *(decorator.lineno for decorator in found.decorator_list)])


def named(body: list[ast.stmt], name: str) -> ast.ClassDef | ast.FunctionDef:
    kinds = (ast.ClassDef, ast.FunctionDef)
    return next(node for node in body if isinstance(node, kinds) and node.name == name)


def table(mutants: list[Mutant]) -> str:
    rows = [header(["File", "Mutants", "Killed", "Score"])]
    for file in [*sorted({mutant.file for mutant in mutants}), "all"]:
        here = [mutant for mutant in mutants if file in ("all", mutant.file)]
        killed = sum(mutant.status in KILLED for mutant in here)
        score = f"{killed / len(here):.0%}"
        rows.append(row([f"`{file}`", str(len(here)), str(killed), score]))
    return "\n".join(rows)


def survivors(mutants: list[Mutant]) -> str:
    rows = [header(["Survivor", "Status", "Change"], text=3)]
    for mutant in mutants:
        if mutant.status not in KILLED:
            change = mutant.diff.replace("|", "\\|")
            rows.append(row([f"`{mutant.file}:{mutant.line}`", mutant.status, f"`{change}`"]))
    return "\n".join(rows)


if __name__ == "__main__":
    main()
