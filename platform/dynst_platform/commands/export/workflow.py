"""A model for programs without this one: ONNX, or PyTorch's own export.

Its forecasts are the same numbers, which is checked before the export ends.
"""

import logging
import os
import warnings
from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from pathlib import Path

import numpy as np
import torch

from dynst.errors import ConfigError
from dynst.models.artifact import Artifact
from dynst.models.by_parts import ForecasterByParts
from dynst.models.inference import ServedForecaster
from dynst.models.rollout import RolledOut
from dynst.storage.room import names_what_is_full
from dynst.storage.scratch import scratch_folder
from dynst_platform.config.locations import tracking_uri
from dynst_platform.errors import RunError
from dynst_platform.log import quiet_libraries
from dynst_platform.model_registry.references import fetched, model_id_of
from dynst_platform.tracking.clients import reader_of

__all__ = ["FORMS", "export"]

WINDOWS = 5  # that both must forecast alike
TOLERANCE = 1e-4  # of the spread of the location's readings
Run = Callable[[torch.Tensor, torch.Tensor], np.ndarray]
"""(time, readings) to forecasts, by what was exported."""


def export(reference: str, form: str, path: Path, trust_code: bool = False) -> float:
    """Write the model to ``path``, and beside it a JSON with its sensors, channels and window.

    Returns the largest difference.

    The module takes ``time [T]`` int64 and ``readings [T, K, C]`` with NaN where missing, and gives
    ``[H, S, targets]``.

    Raises:
        ConfigError: no such model, or what ONNX needs is not installed.
        RunError: the exported model does not forecast the same; nothing is written.
        RefusedError: it runs code that is not trusted here, and ``trust_code`` is not set.
    """
    quiet_libraries()
    client, uri = reader_of(tracking_uri()), tracking_uri()
    with fetched(client, uri, model_id_of(client, uri, reference), trust_code) as found:
        artifact = found.artifact
        _check_exportable(artifact)
        with names_what_is_full(path), scratch_folder(path.parent, path.name) as scratch:
            draft = scratch / path.name
            with _quiet():
                run = FORMS[form](artifact.served(), _windows(artifact)[0], draft)
                apart = _largest_difference(artifact, run)
            if apart > TOLERANCE:
                raise RunError(
                    f"the exported model forecasts differently, by {apart:.2g} of a spread; it "
                    f"was not written"
                )
            (scratch / f"{path.name}.json").write_text(
                artifact.description.model_dump_json(indent=2), encoding="utf-8"
            )
            for file in scratch.iterdir():
                os.replace(file, path.parent / file.name)
    return apart


def _check_exportable(artifact: Artifact) -> None:
    """Which locations a rollout of a part needs on its way is looked up, which no export can."""
    model = artifact.model
    if isinstance(model, ForecasterByParts) and isinstance(model.model, RolledOut):
        raise ConfigError(
            "a model with model.steps_at_once cannot be exported where training.parts cuts its "
            "network; train it without one of them, or forecast with dynst forecast"
        )


def _to_torch(
    module: ServedForecaster, example: tuple[torch.Tensor, torch.Tensor], path: Path
) -> Run:
    content = BytesIO()  # PyTorch's own files end the process where a disk is full
    torch.export.save(torch.export.export(module, example), content)
    path.write_bytes(content.getvalue())
    loaded = torch.export.load(path).module()
    return lambda time, readings: np.asarray(loaded(time, readings).detach())


def _to_onnx(
    module: ServedForecaster, example: tuple[torch.Tensor, torch.Tensor], path: Path
) -> Run:
    try:
        onnxruntime, _ = import_module("onnxruntime"), import_module("onnxscript")
    except ImportError as error:
        raise ConfigError(
            f"ONNX needs a package that is not installed ({error.name}); pip install 'dynst[onnx]'"
        ) from error
    program = torch.onnx.export(
        module, example, dynamo=True, verbose=False, input_names=["time", "readings"]
    )
    assert program is not None
    program.save(path)
    session = onnxruntime.InferenceSession(str(path))
    return lambda time, readings: np.asarray(
        session.run(None, {"time": time.numpy(), "readings": readings.numpy()})[0]
    )


FORMS: dict[str, Callable[[ServedForecaster, tuple[torch.Tensor, torch.Tensor], Path], Run]] = {
    "onnx": _to_onnx,
    "torch-export": _to_torch,
}


def _windows(artifact: Artifact) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Readings around each location's profile, at all times of the week and the year, a tenth of
    them missing.
    """
    description, scaler = artifact.description, artifact.model.scaler
    generator = torch.Generator().manual_seed(0)
    on, found = torch.tensor(description.active).nonzero().squeeze(1), []
    for number in range(WINDOWS):
        far = number * 75 * description.clock.periods[0]
        time = far + description.step * (number + torch.arange(description.model.window))
        profile = scaler.profile_at(time)[:, on]
        readings = profile + scaler.scale[on] * torch.randn(profile.shape, generator=generator)
        readings[torch.rand(profile.shape, generator=generator) < 0.1] = torch.nan
        found.append((time, readings))
    return found


@torch.inference_mode()
def _largest_difference(artifact: Artifact, run: Run) -> float:
    spread = artifact.model.scaler.scale[:, torch.tensor(artifact.description.targets)].numpy()
    apart = []
    for time, readings in _windows(artifact):
        ours = artifact.served()(time, readings).numpy()
        apart.append(float(np.abs((run(time, readings) - ours) / spread).max()))
    return max(apart)


class _quiet(warnings.catch_warnings):
    """Exporters warn of much that does not concern a user."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
