"""A saved model measured anew, in a process that has not trained it."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst.experiment.protocol import error_figures, model_errors
from dynst.models.artifact import Artifact, load_artifact
from dynst.storage.scratch import scratch_folder
from dynst_platform.config.experiment import experiment_of
from dynst_platform.config.files import dump_spec, load_job
from dynst_platform.config.job import JobSpec
from dynst_platform.config.opening import open_here
from dynst_platform.errors import RunError
from dynst_platform.execution.computing import computing_here
from dynst_platform.model_registry.policy import Figures
from dynst_platform.network_code.own_modules import OwnModules
from dynst_platform.terminal.lines import say_json

__all__ = ["remeasure", "remeasured_apart"]


def remeasured_apart(
    folder: Path, job: JobSpec, store: SensorStore, code: Path | None = None
) -> Figures:
    """What ``remeasure`` gives in a process of its own, with the network of the folder ``code``.

    Raises:
        RunError: that process failed.
    """
    with scratch_folder() as scratch:
        path = Path(scratch) / "job.yaml"
        path.write_text(dump_spec(job), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "dynst_platform.commands.promote.remeasure",
            str(folder),
            str(path),
            str(store.path),
            *([] if code is None else [str(code)]),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise RunError(
            f"the model could not be measured anew: "
            f"{lines[-1] if lines else f'exit code {done.returncode}'}"
        )
    figures = json.loads(done.stdout)
    return Figures(**figures | {"targets": tuple(figures["targets"])})


def remeasure(folder: Path, job: JobSpec, store: SensorStore) -> Figures:
    """The model in ``folder`` on the test part of its job, on a GPU where ``cluster.use_gpu`` says
    so.

    Raises:
        ConfigError: the job forecasts other channels.
        RunError: a GPU is demanded, and PyTorch sees none.
    """
    with computing_here(job.cluster.use_gpu) as device:
        return _figures(load_artifact(folder).on(device), job, store)


def _figures(artifact: Artifact, job: JobSpec, store: SensorStore) -> Figures:
    experiment = experiment_of(
        job.model_copy(update={"model": artifact.description.model}), store.path
    )
    targets = experiment.dataset.test.targets.tolist()
    if tuple(targets) != artifact.description.targets:
        raise ConfigError(
            "the model forecasts other channels than the job; measure it with its own job"
        )
    active = torch.tensor(artifact.description.active)
    errors = error_figures(model_errors(experiment, artifact.model, active), active)
    return Figures(
        mae_all=errors["mae_all"],
        mae_active=errors["mae_active"],
        mae_inactive=errors.get("mae_inactive"),
        sparsity=1 - float(active.double().mean()),
        cost=float(store.sensors.cost[active.numpy()].sum()),
        horizon=artifact.description.model.horizon,
        targets=tuple(artifact.description.channels[target] for target in targets),
    )


def main() -> None:
    folder, job, store, *code = (Path(word) for word in sys.argv[1:])
    with OwnModules(code[0] if code else None):
        say_json(asdict(remeasure(folder, load_job(job), open_here(store))), indent=None)


if __name__ == "__main__":
    main()
