"""Many independent pieces of work, spread over Ray, that resume where they stopped: each finished
piece is a folder.
"""

import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import ray
import torch

import dynst
from dynst_platform.errors import RunError
from dynst_platform.execution.local_ray import local_ray

__all__ = ["Files", "OnDone", "Task", "TaskResult", "load_result", "run_tasks", "save_result"]

Files = dict[str, bytes]
ROWS = "rows.json"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TaskResult:
    """What a cell leaves: tidy rows, and files for the cells that need it."""

    rows: list[dict[str, Any]]
    files: Files = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """A pure piece of work.

    Two cells of the same name and identity are the same work, in whatever study they stand.

    Args:
        work: called with ``arguments`` and, where the cell ``needs`` another, that one's files.
        identity: everything that the result depends on but the code, as JSON would have it.
    """

    name: str
    work: Callable[..., TaskResult]
    arguments: tuple[Any, ...]
    identity: dict[str, Any]
    needs: str | None = None  # the name of another cell

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
    cells: Sequence[Task], root: Path, workers: int, on_done: OnDone, address: str | None = None
) -> None:
    """Do what is not done yet, at most ``workers`` cells at once (0: in the calling process), and
    hand over every product.

    A cell that fails does not stop the others.

    Args:
        address: of a Ray cluster that runs already, whose nodes see what cells read; by default a
            Ray of our own.

    Raises:
        RunError: at least one cell failed; names each, with its reason.
    """
    products: dict[str, TaskResult] = {}
    for cell in cells:
        if (root / cell.folder).exists():
            logger.info("task %s was done before: %s", cell.name, cell.folder)
            products[cell.name] = load_result(root / cell.folder)
            on_done(cell, products[cell.name])
    failures: dict[str, str] = {}
    left = [cell for cell in cells if cell.name not in products]
    finish = _here(left, products) if workers == 0 else _on_ray(left, products, workers, address)
    for cell, outcome in finish if left else ():
        if isinstance(outcome, BaseException):
            failures[cell.name] = _reason(outcome)
            logger.warning("task %s failed: %s", cell.name, failures[cell.name])
            continue
        try:
            save_result(root / cell.folder, outcome)
        except OSError as error:
            failures[cell.name] = _reason(error)
            continue
        products[cell.name] = outcome
        on_done(cell, outcome)
    if failures:
        listed = "; ".join(f"{name}: {reason}" for name, reason in failures.items())
        raise RunError(
            f"{len(failures)} of {len(cells)} pieces failed ({listed}); the others are kept, and "
            f"the same command does the rest"
        )


def _reason(error: BaseException) -> str:
    """The last line, which is the error itself where Ray puts a worker's traceback before it."""
    return " ".join(str(error).split("\n")[-1].split()) or type(error).__name__


Outcomes = Iterator[tuple[Task, TaskResult | Exception]]


def _here(cells: Sequence[Task], products: dict[str, TaskResult]) -> Outcomes:
    for cell in cells:
        if cell.needs is not None and cell.needs not in products:
            continue
        try:
            yield cell, _call(cell, products[cell.needs].files if cell.needs else None)
        except Exception as error:
            yield cell, error


def _on_ray(
    cells: Sequence[Task], products: dict[str, TaskResult], workers: int, address: str | None
) -> Outcomes:
    with local_ray(address=address):
        remote = ray.remote(num_cpus=1, max_retries=2)(_call_on_worker)
        waiting, running, shared = list(cells), dict[Any, Task](), dict[str, Any]()
        while waiting or running:
            ready = [cell for cell in waiting if cell.needs is None or cell.needs in products]
            for cell in ready[: workers - len(running)]:
                waiting.remove(cell)
                if cell.needs is not None and cell.needs not in shared:
                    shared[cell.needs] = ray.put(products[cell.needs].files)
                running[remote.remote(cell, shared.get(cell.needs or ""))] = cell
            if not running:
                return  # what is left waits for a cell that failed
            done, _ = ray.wait(list(running))
            cell = running.pop(done[0])
            try:
                yield cell, ray.get(done[0])
            except ray.exceptions.RayError as error:
                yield cell, error


def _call_on_worker(cell: Task, files: Files | None) -> TaskResult:
    torch.set_num_threads(1)
    return _call(cell, files)


def _call(cell: Task, files: Files | None) -> TaskResult:
    return cell.work(*cell.arguments) if cell.needs is None else cell.work(*cell.arguments, files)


def save_result(folder: Path, product: TaskResult) -> None:
    """Whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(mkdtemp(prefix=".draft-", dir=folder.parent))
    try:
        for name, content in product.files.items():
            (draft / name).write_bytes(content)
        (draft / ROWS).write_text(json.dumps(product.rows), encoding="utf-8")
        os.rename(draft, folder)
    except OSError:
        if not folder.exists():  # else another run of the same study was faster
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def load_result(folder: Path) -> TaskResult:
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ROWS}
    return TaskResult(json.loads((folder / ROWS).read_text(encoding="utf-8")), files)
