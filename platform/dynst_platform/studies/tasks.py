"""Many independent tasks of work, spread over Ray, that resume where they stopped: each finished
task is a folder.
"""

import hashlib
import json
import logging
import os
import sys
from collections import ChainMap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import ray

import dynst
from dynst.storage.scratch import remove_leftovers, scratch_folder
from dynst_platform.config.values import Document, JsonValue
from dynst_platform.errors import RunError, StorageError
from dynst_platform.execution.computing import computing_as_given, computing_here, device_here
from dynst_platform.execution.gpus import TaskShape, gpus_of_task
from dynst_platform.execution.local_ray import check_cpus, local_ray
from dynst_platform.tracking.shared_folder import begin_shared

__all__ = [
    "Files",
    "OnDone",
    "Row",
    "Task",
    "TaskResult",
    "load_result",
    "run_tasks",
    "save_result",
]

Files = dict[str, bytes]
Row = dict[str, JsonValue]
"""A tidy row: figures, and what identifies them."""

ROWS = "rows.json"
ONE_CPU = TaskShape()  # and a GPU where there is one
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TaskResult:
    """What a task leaves: tidy rows, and files for the tasks that need it."""

    rows: list[Row]
    files: Files = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """A pure task of work.

    Two tasks of the same name and identity are the same work, in whatever study they stand.

    Args:
        work: called with ``arguments`` and, where the task ``needs`` others, all their files.
        identity: everything that the result depends on but the code, as JSON would have it.
    """

    name: str
    work: Callable[..., TaskResult]
    arguments: tuple[Any, ...]
    identity: Document
    needs: tuple[str, ...] = ()  # names of other tasks

    @property
    def folder(self) -> str:
        facts = self.identity | {"code": _code_digest(self.work.__module__)}
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        return f"{self.name}-{digest[:12]}"


@cache
def _code_digest(module: str) -> str:
    """Of the method and of the module that does the work; with other code the work is done anew."""
    digest, own = hashlib.sha256(), sys.modules[module].__file__
    for path in [*sorted(Path(dynst.__file__).parent.rglob("*.py")), *([Path(own)] if own else [])]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


OnDone = Callable[[Task, TaskResult], None]


def run_tasks(
    tasks: Sequence[Task],
    root: Path,
    workers: int,
    on_done: OnDone,
    address: str | None = None,
    each: TaskShape = ONE_CPU,
) -> None:
    """Do what is not done yet, and pass every result to ``on_done``.

    A task that fails does not stop the others.

    Args:
        workers: tasks at once, at most; 0 does all of them in the calling process.
        address: of a Ray cluster that runs already, whose nodes see what tasks read; by default a
            Ray of our own.
        each: what a task takes of the cluster, and computes on.

    Raises:
        RunError: at least one task failed; names each, with its reason.
    """
    remove_leftovers(root)
    results: dict[str, TaskResult] = {}
    shared = begin_shared(root)
    for task in tasks:
        shared.fetch(root / task.folder)
        if (root / task.folder).exists():
            logger.info("task %s was done before: %s", task.name, task.folder)
            results[task.name] = load_result(root / task.folder)
            on_done(task, results[task.name])
    failures: dict[str, str] = {}
    left = [task for task in tasks if task.name not in results]
    finish = (
        _here(left, results, each)
        if workers == 0
        else _on_ray(left, results, _Room(workers, address, each))
    )
    for task, outcome in finish if left else ():
        if isinstance(outcome, BaseException):
            failures[task.name] = _reason(outcome)
            logger.warning("task %s failed: %s", task.name, failures[task.name])
            continue
        try:
            save_result(root / task.folder, outcome)
            shared.put(root / task.folder)
        except (OSError, StorageError) as error:
            failures[task.name] = _reason(error)
            continue
        results[task.name] = outcome
        on_done(task, outcome)
    if failures:
        listed = "; ".join(f"{name}: {reason}" for name, reason in failures.items())
        raise RunError(
            f"{len(failures)} of {len(tasks)} tasks failed ({listed}); the others are kept, and "
            f"the same command does the rest"
        )


def _reason(error: BaseException) -> str:
    """The last line, which is the error itself where Ray puts a worker's traceback before it."""
    return " ".join(str(error).split("\n")[-1].split()) or type(error).__name__


Outcomes = Iterator[tuple[Task, TaskResult | Exception]]


def _here(tasks: Sequence[Task], results: dict[str, TaskResult], each: TaskShape) -> Outcomes:
    device_here(each.use_gpu)  # one that is demanded and absent is no task's failure
    for task in tasks:
        if not results.keys() >= set(task.needs):
            continue
        try:
            with computing_here(each.use_gpu):
                done = _call(task, *(results[name].files for name in task.needs))
        except Exception as error:
            yield task, error
        else:
            yield task, done


@dataclass(frozen=True)
class _Room:
    """Where tasks run on Ray, how many at once, and what each takes."""

    workers: int
    address: str | None
    each: TaskShape

    def set_aside(self) -> dict[str, float]:
        """For each task, of the Ray that this process is attached to."""
        found = int(ray.cluster_resources().get("GPU", 0))
        gpus = gpus_of_task(self.each, found, grows=self.address is not None)
        return {"num_cpus": self.each.cpu, "num_gpus": gpus}


def _on_ray(tasks: Sequence[Task], results: dict[str, TaskResult], room: _Room) -> Outcomes:
    if room.address is None:
        check_cpus(room.each.cpu)
    with local_ray(address=room.address):
        remote = ray.remote(**room.set_aside(), max_retries=2)(_call_on_worker)
        waiting, running, shared = list(tasks), dict[Any, Task](), dict[str, object]()
        while waiting or running:
            ready = [task for task in waiting if results.keys() >= set(task.needs)]
            for task in ready[: room.workers - len(running)]:
                waiting.remove(task)
                for name in task.needs:
                    if name not in shared:
                        shared[name] = ray.put(results[name].files)
                running[remote.remote(task, *(shared[name] for name in task.needs))] = task
            if not running:
                return  # what is left waits for a task that failed
            done, _ = ray.wait(list(running))
            task = running.pop(done[0])
            try:
                yield task, ray.get(done[0])
            except ray.exceptions.RayError as error:
                yield task, error


def _call_on_worker(task: Task, *files: Files) -> TaskResult:
    with computing_as_given():
        return _call(task, *files)


def _call(task: Task, *files: Files) -> TaskResult:
    """``files`` of each task that it needs."""
    if not task.needs:
        return task.work(*task.arguments)
    return task.work(*task.arguments, dict(ChainMap(*files)))


def save_result(folder: Path, result: TaskResult) -> None:
    """Whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder.parent, folder.name) as draft:
        try:
            for name, content in result.files.items():
                (draft / name).write_bytes(content)
            (draft / ROWS).write_text(json.dumps(result.rows), encoding="utf-8")
            os.rename(draft, folder)
        except OSError:
            if not folder.exists():  # else another run of the same study was faster
                raise


def load_result(folder: Path) -> TaskResult:
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ROWS}
    return TaskResult(json.loads((folder / ROWS).read_text(encoding="utf-8")), files)
