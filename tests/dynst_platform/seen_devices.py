"""Which device every forecaster of a command is on, in this process and in those of Ray: the one of
``stand_in_device`` takes the place of a GPU there.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple
from unittest.mock import patch

import ray
import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from dynst.data.store import SensorStore
from dynst.devices import device_of
from dynst.evaluation import efficiency
from dynst.models.forecaster import SparseForecaster
from dynst_platform.commands.promote import measuring
from dynst_platform.commands.promote.remeasure import remeasure
from dynst_platform.config.job import JobSpec
from dynst_platform.execution import computing, worker_group
from dynst_platform.execution.process_group import GlooConfig
from dynst_platform.model_registry.policy import Figures
from tests.dynst_platform.command_line import dynst_here
from tests.stand_in_device import stand_in

__all__ = ["SEEN", "Ended", "Seen", "ended"]

SEEN = "DYNST_TESTS_SEEN"  # the folder of what was seen
ROOT = Path(__file__).parents[2]


class Seen(NamedTuple):
    """A process that asked a forecaster."""

    device: str
    threads: int
    gpus: str  # that Ray shows it
    process: int


class Ended(NamedTuple):
    code: int
    said: str
    seen: set[Seen]


def ended(words: list[str], cwd: Path, **environment: str) -> Ended:
    """A command, called where ``stand_in`` is known."""
    folder = Path(mkdtemp(dir=cwd))
    variables = {SEEN: str(folder), "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'platform'}"}
    with on_stand_in(), patch.dict(os.environ, variables), _also_on_ray(variables):
        done = dynst_here(*words, cwd=cwd, **environment)
    own = os.getpid()
    seen = {Seen(*_read(path.name)) for path in folder.iterdir()}
    return Ended(
        done.returncode,
        done.stdout + done.stderr,
        {each._replace(process=0) if each.process == own else each for each in seen},
    )


def begin_worker() -> None:
    """In a process of Ray, before its first task."""
    _KEPT.enter_context(on_stand_in())


_KEPT = ExitStack()


@contextmanager
def on_stand_in() -> Iterator[None]:
    """Whatever finds a GPU finds the device; nccl and a process of its own know nothing of it."""
    stand_in()
    hook = register_module_forward_pre_hook(_note)
    with (
        patch.object(computing, "_gpu", lambda number=None: stand_in()),
        patch.object(measuring, "remeasured_apart", _remeasured_here),
        patch.object(worker_group, "_nccl", GlooConfig),
        patch.object(efficiency, "peak_memory", lambda call: 0),  # its tensors have no address
    ):
        yield
    hook.remove()


def _remeasured_here(folder: Path, job: JobSpec, store: SensorStore, code: Path | None) -> Figures:
    return remeasure(folder, job, store)


@contextmanager
def _also_on_ray(variables: dict[str, str]) -> Iterator[None]:
    """Processes of Ray begin with ``begin_worker``."""
    init = ray.init
    given = {"worker_process_setup_hook": f"{__name__}.begin_worker", "env_vars": variables}
    with patch.object(ray, "init", lambda **named: init(**named, runtime_env=given)):
        yield


def _note(module: torch.nn.Module, given: Any) -> None:
    if isinstance(module, SparseForecaster) and not _served():
        shown = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        facts = (device_of(module).type, torch.get_num_threads(), shown, os.getpid())
        (Path(os.environ[SEEN]) / " ".join(map(str, facts))).touch()


def _served() -> bool:
    """Whether MLflow asks, which tries a model as it is logged: on the processor, as it serves."""
    frame = sys._getframe()
    while frame is not None and "mlflow/pyfunc" not in frame.f_code.co_filename:
        frame = frame.f_back  # type: ignore[assignment]
    return frame is not None


def _read(name: str) -> tuple[str, int, str, int]:
    device, threads, gpus, process = name.split(" ")
    return device, int(threads), gpus, int(process)
