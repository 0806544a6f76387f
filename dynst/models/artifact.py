"""A trained sparse model on disk: weights without pickle, and a description that rebuilds the
network around them.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dynst.data.clock import SECONDS, Clock
from dynst.data.edges import Edges
from dynst.data.manifest import Patching
from dynst.data.partition import packed, unpacked
from dynst.data.scaler import Season, SeasonalScaler
from dynst.devices import device_of, module_on, to_cpu, to_device
from dynst.errors import ArtifactError, ConfigError, in_one_line
from dynst.models.by_parts import ForecasterByParts
from dynst.models.factory import ModelConfig, build_forecaster
from dynst.models.forecaster import SparseForecaster
from dynst.models.inference import ServedForecaster
from dynst.models.last_window import as_inputs, last_window

__all__ = [
    "Artifact",
    "Description",
    "artifact_digest",
    "backbone_of",
    "load_artifact",
    "save_artifact",
]

PARTS = "parts."
WEIGHTS, DESCRIPTION = "weights.safetensors", "model.json"
EDGE_PREFIX, POSITIONS = "edges.", "positions"
LONGEST = 2**40  # steps and seasons, in the clock's unit
MOST_SLOTS = 366 * 24 * 60  # of a season, a year of minutes


class Description(BaseModel):
    """All that is not a tensor. Sensor ids are the user's own, in the order of the store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["dynst-model"] = "dynst-model"
    # 1 had no linear path in its readout, 2 the options of the backbone beside its name, 3 seconds
    # of an unknown zone alone, 4 no blocks over all locations, 5 no kriging
    version: Literal[6] = 6
    model: ModelConfig
    sensors: tuple[str, ...]
    active: tuple[bool, ...]
    importance: tuple[float, ...]
    channels: tuple[str, ...]
    units: tuple[str, ...] | None = Field(None, description="of the channels; None if unknown")
    targets: tuple[int, ...]
    season_period: int = Field(ge=1, le=LONGEST)
    season_slots: int = Field(ge=1, le=MOST_SLOTS)
    season_step: int | None = Field(None, ge=1, le=LONGEST)
    step: int = Field(ge=1, le=LONGEST, description="between two readings, in the clock's unit")
    clock: Clock = SECONDS
    data_digest: str
    patching: Patching | None = Field(
        None, description="of a grid, whose patches the sensors are; patches.to_frames undoes it"
    )
    blank: tuple[tuple[int, int], ...] = Field(
        (), description="sensor and channel of what no patch holds: padding, no data"
    )

    @model_validator(mode="after")
    def _fits(self) -> "Description":
        count = len(self.sensors)
        for name in ("active", "importance"):
            if len(getattr(self, name)) != count:
                raise ValueError(f"'{name}' must have {count} values, one for each sensor")
        if not any(self.active):
            raise ValueError("at least one sensor must be active")
        if any(not 0 <= target < len(self.channels) for target in self.targets):
            raise ValueError(f"'targets' must be places of {len(self.channels)} channels")
        places = zip((count, len(self.channels)), np.transpose(self.blank), strict=False)
        if any((found < 0).any() or (found >= most).any() for most, found in places):
            raise ValueError("'blank' must be places of sensors and channels")
        return self

    @property
    def active_sensors(self) -> list[str]:
        """Ids of the K sensors that the model reads, in their order."""
        return [name for name, on in zip(self.sensors, self.active, strict=True) if on]


@dataclass(frozen=True)
class Artifact:
    """A forecaster ready to run, and who its sensors are.

    Args:
        model: in evaluation mode, in main memory unless ``on`` put it elsewhere.
        description: ids, channels, season, units of time, settings of the model.
    """

    model: SparseForecaster
    description: Description

    def on(self, device: torch.device) -> "Artifact":
        """The same model on another device, which then forecasts.

        Args:
            device: where it computes.

        Returns:
            Itself where the model is there already; this one stays where it is.
        """
        return replace(self, model=module_on(self.model, device))

    @torch.inference_mode()
    def forecast(self, time: np.ndarray, readings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Forecast every location from the latest readings of the active sensors.

        Args:
            time: ``[T]`` int64 as ``description.clock`` counts them, increasing by the step that
                the model was trained on; where a step is left out, its readings are missing.
            readings: ``[T, K, C]`` raw, at least a window of them, sensors in the order of
                ``description.active_sensors``; NaN where missing, which is read as the location's
                seasonal profile. A sensor without any reading is left out, as if it were off.

        Returns:
            Times ``[H]`` and forecasts ``[H, S, targets]`` in the channel's unit.

        Raises:
            ArtifactError: the readings have another shape or are infinite, or times have another
                order or step.

        Example:
            >>> artifact = load_artifact(Path("model"))  # doctest: +SKIP
            >>> ahead, forecast = artifact.forecast(time, readings)  # doctest: +SKIP
        """
        config = self.description.model
        shape = (config.window, sum(self.description.active), len(self.description.channels))
        time, readings = as_inputs(time, readings)
        if (
            readings.shape[1:] != shape[1:]
            or len(readings) < config.window
            or len(time) != len(readings)
        ):
            raise ArtifactError(
                f"the model reads {shape[0]} steps of {shape[1]} active sensors and {shape[2]} "
                f"channels, but got readings of shape {readings.shape} and {len(time)} times"
            )
        time, readings = last_window(
            time, readings, config.window, self.description.step, self.description.clock
        )
        if np.isinf(readings).any():
            raise ArtifactError(
                "readings must be finite in float32, or NaN where missing, but some are infinite"
            )
        past, raw = torch.tensor(time), torch.tensor(readings)
        heard = ~raw.isnan().all(2).all(0)
        heard |= not heard.any()
        served, device = self.served(heard), device_of(self.model)
        found = served(to_device(past, device), to_device(raw[:, heard], device))
        return served.times_ahead(past).numpy(), found.cpu().numpy()

    def served(self, heard: torch.Tensor | None = None) -> ServedForecaster:
        """What ``forecast`` calls, as one module of two tensors.

        It reads those of the active sensors that are ``heard`` (``[K]`` bool; by default all).

        Returns:
            A module in evaluation mode that takes ``time`` ``[T]`` and raw readings
            ``[T, K', C]`` of the K' sensors it reads, where the model is, and gives
            ``[H, S, targets]``.
        """
        description = self.description
        active, targets = torch.tensor(description.active), torch.tensor(description.targets)
        if heard is not None:
            active[active.clone()] = heard
        served = ServedForecaster(self.model, active, targets, description.step)
        return served.to(device_of(self.model)).eval()


def save_artifact(
    folder: Path,
    model: SparseForecaster,
    description: Description,
    edges: Edges,
    positions: np.ndarray | None = None,
) -> None:
    """``edges`` and ``positions [S, 2]`` go with the model, which is made from them again when it
    is loaded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state: dict[str, Tensor] = to_cpu(
        dict(model.state_dict())
    )  # where a module stands twice, its tensors share memory
    tensors = {
        name: value.clone(memory_format=torch.contiguous_format) for name, value in state.items()
    }
    tensors |= {
        f"{EDGE_PREFIX}{name}": torch.tensor(getattr(edges, name))
        for name in ("source", "target", "weight")
    }
    if positions is not None:
        tensors[POSITIONS] = torch.tensor(positions)
    if isinstance(model, ForecasterByParts):
        tensors |= {f"{PARTS}{name}": value for name, value in packed(model.parts).items()}
    save_file(tensors, folder / WEIGHTS)
    (folder / DESCRIPTION).write_text(description.model_dump_json(indent=2), encoding="utf-8")
    shutil.copymode(folder / DESCRIPTION, folder / WEIGHTS)  # safetensors lets nobody else read it


def _upgraded(document: dict[str, Any]) -> dict[str, Any]:
    """A description of an earlier version as one of today."""
    if document.get("version") == 2:
        document = _with_options(document)
    if document.get("version") == 3:
        rest = {name: value for name, value in document.items() if name != "step_seconds"}
        document = rest | {"version": 4, "step": document["step_seconds"]}
    if document.get("version") == 4:
        document = document | {"version": 5, "model": {"location_blocks": 0, **document["model"]}}
    if document.get("version") == 5:
        document = document | {"version": 6, "model": {"kriging": False, **document["model"]}}
    return document


def _with_options(document: dict[str, Any]) -> dict[str, Any]:
    model = dict(document["model"])
    old = {"blocks": model.pop("blocks"), "heads": model.pop("heads")}
    options = old if model["backbone"] == "patch_transformer" else {"blocks": old["blocks"]}
    return document | {
        "version": 3,
        "model": model | {"backbone": {"name": model["backbone"], "options": options}},
    }


def artifact_digest(folder: Path) -> str:
    """A hash of weights and description.

    It distinguishes a saved model from any other, and from one that was changed afterwards.

    Raises:
        ArtifactError: a file is absent.
    """
    digest = hashlib.sha256()
    try:
        for name in (DESCRIPTION, WEIGHTS):
            digest.update((folder / name).read_bytes())
    except OSError as error:
        raise ArtifactError(
            f"no usable model in {folder} ({error.strerror}); it must hold {DESCRIPTION} and "
            f"{WEIGHTS}"
        ) from error
    return digest.hexdigest()


def backbone_of(folder: Path) -> str:
    """The name of a saved model's backbone, read without an import of it.

    Raises:
        ArtifactError: the description is absent or damaged.
    """
    try:
        backbone = json.loads((folder / DESCRIPTION).read_bytes())["model"]["backbone"]
        return str(backbone["name"] if isinstance(backbone, dict) else backbone)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ArtifactError(
            f"no usable model in {folder} ({in_one_line(error)}); it must hold {DESCRIPTION} and "
            f"{WEIGHTS}"
        ) from error


def load_artifact(folder: Path | str) -> Artifact:
    """Rebuild the network and load its weights; nothing is unpickled.

    Args:
        folder: that ``save_arm`` wrote, or the model of an MLflow run.

    Returns:
        The forecaster in evaluation mode and in main memory, with its description.

    Raises:
        ArtifactError: a file is absent, damaged, or does not fit the other.

    Example:
        >>> load_artifact(Path("model")).description.active_sensors  # doctest: +SKIP
    """
    folder = Path(folder)
    try:
        description = Description.model_validate(
            _upgraded(json.loads((folder / DESCRIPTION).read_bytes()))
        )
        tensors = load_file(folder / WEIGHTS)
        edges = Edges(
            *(
                tensors.pop(f"{EDGE_PREFIX}{name}").numpy()
                for name in ("source", "target", "weight")
            )
        )
    except (
        OSError,
        ValueError,
        SafetensorError,
        KeyError,
        TypeError,
        AttributeError,
    ) as error:  # pydantic's, JSON's: ValueErrors
        reason = (
            error.errors()[0]["msg"]
            if isinstance(error, ValidationError)
            else str(error).splitlines()[0]
        )
        raise ArtifactError(
            f"no usable model in {folder} ({reason}); it must hold {DESCRIPTION} and {WEIGHTS} of "
            f"one run"
        ) from error
    return Artifact(_forecaster(folder, description, edges, tensors), description)


def _forecaster(
    folder: Path, description: Description, edges: Edges, tensors: dict[str, Tensor]
) -> SparseForecaster:
    """The network of a description with the weights beside it."""
    try:
        edges.check(len(description.sensors))
        _check_finite(tensors)
        cut = {name: tensors.pop(name) for name in list(tensors) if name.startswith(PARTS)}
        model = _built(description, edges, tensors.pop(POSITIONS, None))
        model.load_state_dict(tensors)
        if cut:
            parts = unpacked({name.removeprefix(PARTS): value for name, value in cut.items()})
            model = ForecasterByParts(model, parts, len(description.sensors))
    except ConfigError:  # a network that is absent here says so itself
        raise
    except Exception as error:
        raise ArtifactError(
            f"the weights in {folder} do not fit its {DESCRIPTION} ({in_one_line(error)}); both "
            f"must come from one run"
        ) from error
    return model.eval()


def _check_finite(tensors: dict[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ArtifactError(f"'{name}' must be finite, but is not")


def _built(description: Description, edges: Edges, positions: Tensor | None) -> SparseForecaster:
    season = Season(description.season_period, description.season_slots, description.season_step)
    scaler = SeasonalScaler(
        season, len(description.sensors), len(description.channels), description.clock
    )
    return build_forecaster(
        description.model,
        scaler,
        edges,
        targets=description.targets,
        seed=0,
        positions=positions,
        layout=description.patching,
    )
