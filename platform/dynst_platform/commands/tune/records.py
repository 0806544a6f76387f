"""What is known of each trial, on disk as soon as it is known: a killed sweep goes on from here,
and nothing else.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict

from dynst.errors import ConfigError, in_one_line
from dynst.sparsity.config import OLD_SCHEMES
from dynst.storage.files import replace_text
from dynst_platform.config.documents import parse_json, read_text
from dynst_platform.config.values import Overrides
from dynst_platform.forms import VERSION, todays
from dynst_platform.tracking.shared_folder import ALONE, SharedFolder

__all__ = ["Followed", "Point", "Record", "Records", "State", "finished_among", "trial_path"]

State = Literal["running", "finished", "stopped", "failed"]


class Followed(TypedDict):
    """A stretch of a trial of a population: its rates until an epoch, and whom it followed then."""

    until: int
    overrides: Overrides
    then_from: int


class Point(TypedDict):
    """Figures of a trial at an epoch; ``time`` in ms since 1970."""

    epoch: int
    time: int
    figures: dict[str, float]


@dataclass
class Record:
    number: int
    overrides: Overrides
    state: State = "running"
    reason: str = ""  # why it was stopped, or what failed
    attempts: int = 0
    steps: int = 0  # of training, over all seeds, without a shared warm-up
    seconds: float = 0.0
    objectives: dict[str, float] = field(
        default_factory=dict
    )  # mean over seeds; of a stopped trial as far as it came
    metrics: dict[str, float] = field(
        default_factory=dict
    )  # the same of the test part and the model
    active: list[bool] = field(default_factory=list)  # of the first seed, whose model is kept
    run_id: str = ""  # in MLflow
    history: list[Followed] = field(default_factory=list)  # of a population
    importance: list[float] = field(default_factory=list)  # beside ``active``
    points: list[Point] = field(default_factory=list)  # for MLflow, in order
    sent: int = 0  # of these points, that MLflow has
    in_mlflow: bool = False  # its end

    @property
    def ended(self) -> bool:
        return self.state != "running"


def trial_path(folder: Path, number: int, suffix: str = "") -> Path:
    """Where a trial keeps something: its record ``.json``, its failure file ``.hung``.

    Without a suffix the folder of its model.
    """
    return folder / f"{number:05d}{suffix}"


def finished_among(records: Iterable[Record]) -> list[Record]:
    return [record for record in records if record.state == "finished"]


def _with_todays_schemes(record: dict[str, Any]) -> dict[str, Any]:
    """Version 2 has schemes by today's names."""
    history = [
        {**each, "overrides": _renamed(each["overrides"])} for each in record.get("history", [])
    ]
    return record | {"overrides": _renamed(record["overrides"]), "history": history}


def _renamed(overrides: Overrides) -> Overrides:
    scheme = overrides.get("sparsity.scheme")
    known = OLD_SCHEMES.get(scheme, scheme) if isinstance(scheme, str) else scheme
    return overrides | ({} if scheme is None else {"sparsity.scheme": known})


def _with_what_mlflow_has(record: dict[str, Any]) -> dict[str, Any]:
    """Version 3 says it; before, MLflow had a trial's end before its record did."""
    return record | {"in_mlflow": record.get("state", "running") != "running"}


MOST_BYTES = 256 * 2**20
UPGRADES = (_with_todays_schemes, _with_what_mlflow_has)


def _read(path: Path) -> Record:
    text = read_text(path, "the record of a trial", MOST_BYTES)
    try:
        return Record(**todays(parse_json(text, str(path), finite=False), str(path), UPGRADES))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ConfigError(
            f"{path} must be the record of a trial, but is not ({in_one_line(error)}); remove it, "
            f"and the trial runs again"
        ) from error


class Records:
    """One JSON file a trial; only the driver writes them."""

    def __init__(self, folder: Path, shared: SharedFolder = ALONE) -> None:
        self.folder, self._shared = folder, shared
        folder.mkdir(parents=True, exist_ok=True)

    def all(self) -> list[Record]:
        """Raises DataError where a later DynST has left one, ConfigError where one is damaged."""
        return [_read(path) for path in sorted(self.folder.glob("*.json"))]

    def save(self, record: Record) -> None:
        """Whole or not at all."""
        path = trial_path(self.folder, record.number, ".json")
        replace_text(path, json.dumps({VERSION: len(UPGRADES) + 1, **asdict(record)}))
        self._shared.put(path)
