"""Every command that computes with models takes the device that it is given, and a command that is
new says here whether it does.
"""

import ast
import importlib.util
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import pytest

from benchmarks.support.ray_nodes import first_node
from dynst.data.store import SensorStore
from dynst_platform.main import cli
from tests.conftest import with_tracking_store
from tests.dynst_platform.command_line import JOB
from tests.dynst_platform.seen_devices import Ended, ended
from tests.dynst_platform.test_environments import leaves
from tests.on_stand_in import process_with_stand_in

pytestmark = pytest.mark.process
COMPUTES = {"train", "tune", "curve", "ablate", "promote", "sensors", "forecast"}
IN_MAIN_MEMORY = {
    "export": "what is exported is traced and compared on the processor that opens it elsewhere",
    "submit": "--plan times steps on the processor of the machine that submits",
}
COMPUTES_NOT = {
    "sync",
    "compare",
    "registry history",
    "registry unlock",
    "ui",
    "jobs list",
    "jobs status",
    "jobs logs",
    "jobs stop",
    "doctor",
    "data import",
    "data describe",
    "data answer",
    "data sensors",
    "data synthesize",
}
MAKES_OR_ASKS = {  # modules that train a model, evaluate it or forecast with it
    "dynst.experiment.experiment",
    "dynst.experiment.protocol",
    "dynst.experiment.supernet",
    "dynst.models.artifact",
    "dynst.models.inference",
    "dynst.selection.subset_evaluator",
    "dynst.training.trainer",
    "dynst_platform.config.experiment",
    "dynst_platform.execution.worker",
    "dynst_platform.tracking.serving_model",
}
LOOKED_INTO = ("dynst_platform.commands.", "dynst_platform.studies.", "dynst_platform.execution.")
SMALL = """\
references: {random: 0}
search: {windows: 16, elimination_rounds: 1, rounds: 1, proposals: 2}
curve: {sparsities: [0.5], baselines: [variance], fine_tune_epochs: 1}
ablation: {schemes: [one_shot], criteria: [random], sparsities: [0.5], seeds: [0]}
promotion: {max_over_dense: 9}
"""


def test_every_command_says_whether_it_computes() -> None:
    assert set(leaves(cli)) == COMPUTES | set(IN_MAIN_MEMORY) | COMPUTES_NOT, (
        "a command that is new belongs into this file"
    )
    assert not COMPUTES & COMPUTES_NOT


@pytest.mark.parametrize("command", sorted(COMPUTES | set(IN_MAIN_MEMORY) | COMPUTES_NOT))
def test_what_it_says_is_so(command: str) -> None:
    computes = any(MAKES_OR_ASKS & imported(name) for name in modules_of(command))
    assert computes == (command not in COMPUTES_NOT), (
        f"what {command} imports {'computes' if computes else 'does not compute'} with models"
    )


def modules_of(command: str) -> set[str]:
    """All of its own, and of what studies and executions share, that it may come to."""
    first = command.split()[0]
    folder = "submit" if first == "jobs" else first
    base = f"dynst_platform.commands.{folder}"
    entry = "jobs" if first == "jobs" else "command"
    start = base if _file(f"{base}.{entry}") is None else f"{base}.{entry}"
    found, left = set[str](), [start]
    while left:
        module = left.pop()
        if module not in found:
            found.add(module)
            left += [name for name in imported(module) if name.startswith(LOOKED_INTO)]
    return found


@cache
def imported(module: str) -> frozenset[str]:
    """Modules that it names, wherever in it; those for the types alone do not count."""
    path = _file(module)
    return frozenset() if path is None else frozenset(_names(ast.parse(path.read_text())))


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)
        yield from _names(node)


def _file(module: str) -> Path | None:
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    return None if found is None or found.origin is None else Path(found.origin)


@pytest.fixture(scope="module")
def process() -> Iterator[ProcessPoolExecutor]:
    with process_with_stand_in() as found:
        yield found


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, network: SensorStore, tracking_template: Path
) -> Path:
    folder = tmp_path_factory.mktemp("devices")
    with_tracking_store(folder / "runs", tracking_template)
    job = JOB.format(store=network.path) + SMALL
    (folder / "job.yaml").write_text(job)
    inner = "\n".join(f"  {line}" for line in job.splitlines())
    (folder / "sweep.yaml").write_text(
        "name: swept\ntrials: 2\nspace: {sparsity.final: {choice: [0.25, 0.5]}}\n"
        "resources: {cpu: 1, gpu: 0.5}\nsearcher: grid\n"
        f"job:\n{inner}\n"
    )
    return folder


Call = Callable[..., Ended]


@pytest.fixture
def called(process: ProcessPoolExecutor, place: Path) -> Call:
    def call(*words: str, code: int = 0) -> Ended:
        done: Ended = process.submit(ended, list(words), place).result()
        assert done.code == code, done.said
        return done

    return call


def test_a_training_and_what_its_model_is_asked(called: Call, place: Path) -> None:
    """All in one process, which Ray did not start."""
    assert devices(called("train", "job.yaml", "--quiet")) == {"stand_in"}
    for words in (
        ["promote", "small", "--model", "m"],
        ["sensors", "m"],
        ["forecast", "m", store_of(place)],
    ):
        assert devices(called(*words)) == {"stand_in"}, words[0]
    for words in (["sensors", "m", "--no-gpu"], ["forecast", "m", store_of(place), "--no-gpu"]):
        assert devices(called(*words)) == {"cpu"}, words[0]


@pytest.mark.parametrize("study", ["curve", "ablate"])
def test_a_study_in_one_process(called: Call, study: str) -> None:
    assert devices(called(study, "job.yaml", "--quiet")) == {"stand_in"}
    words = ["--set", "name=elsewhere", "--set", "cluster.use_gpu=false"]
    assert devices(called(study, "job.yaml", "--quiet", *words)) == {"cpu"}


@pytest.fixture(scope="module")
def address(place: Path) -> Iterator[str]:
    """Of a Ray that counts one GPU, where there is none."""
    token = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
    with first_node(str(place / "runs"), cpus=2, token=token, gpus=1) as nodes:
        yield nodes.address


@pytest.mark.nightly
def test_trials_share_the_gpu_that_ray_gives_them(called: Call, address: str) -> None:
    """Dense reference, warm-up and trials, each with half of it and one CPU."""
    done = called("tune", "sweep.yaml", "--quiet", "--set", f"job.cluster.address={address}")
    assert {(each.device, each.threads, each.gpus) for each in done.seen} == {("stand_in", 1, "0")}
    assert len({each.process for each in done.seen}) >= 2


@pytest.mark.nightly
def test_tasks_take_the_cpus_and_the_gpu_that_ray_gives_them(called: Call, address: str) -> None:
    on_ray = f"cluster={{num_workers: 2, address: '{address}', cpus_per_worker: 2}}"
    done = called("ablate", "job.yaml", "--quiet", "--set", "name=on-ray", "--set", on_ray)
    assert {(each.device, each.threads, each.gpus) for each in done.seen} == {("stand_in", 2, "0")}


def test_workers_of_a_training_do_too(called: Call, address: str) -> None:
    on_ray = f"cluster={{num_workers: 1, address: '{address}', cpus_per_worker: 2}}"
    done = called("train", "job.yaml", "--quiet", "--set", "name=on-ray", "--set", on_ray)
    assert {(each.device, each.threads, each.gpus) for each in done.seen} == {("stand_in", 2, "0")}


def devices(done: Ended) -> set[str]:
    return {each.device for each in done.seen}


def store_of(place: Path) -> str:
    return next(
        line.split('"')[1] for line in (place / "job.yaml").read_text().splitlines() if '"' in line
    )
