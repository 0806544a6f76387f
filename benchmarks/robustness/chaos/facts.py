"""What MLflow holds of an experiment and of a registered model, without what differs from run to
run: ids, times, and how fast it was.
"""

import hashlib
import json
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.entities import LoggedModel, LoggedModelStatus, Run
from mlflow.tracking import MlflowClient

from dynst_platform.tracking.model_files import WEIGHTS_TAG

__all__ = ["differences", "experiment_facts", "registry_facts"]

Facts = dict[str, Any]
OF_THE_MACHINE = ("second", "memory", "speed", "latency", "efficiency/", "train/workers")
TIMED_TABLES = ("trials.csv",)


def experiment_facts(client: MlflowClient, name: str) -> Facts:
    """Of every run, by the name of its arm: state, series, tables, and weights of its models.

    Two runs of one name are both there, so that a run that is there twice is a difference.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return {}
    models: dict[str, list[LoggedModel]] = defaultdict(list)
    for model in client.search_logged_models([experiment.experiment_id]):
        models[str(model.source_run_id)].append(model)
    found: Facts = {}
    for run in client.search_runs([experiment.experiment_id], order_by=["start_time ASC"]):
        arm = run.data.tags.get("dynst.arm", "?")
        while arm in found:
            arm += ", again"
        found[arm] = _run_facts(client, run, models[run.info.run_id])
    return found


def _run_facts(client: MlflowClient, run: Run, models: list[LoggedModel]) -> Facts:
    run_id = run.info.run_id
    keys = [key for key in run.data.metrics if not any(word in key for word in OF_THE_MACHINE)]
    series = {f"series {key}": _points(client, run_id, key) for key in sorted(keys)}
    states = sorted(
        model.tags.get(WEIGHTS_TAG, "?")
        if model.status == LoggedModelStatus.READY
        else str(model.status)
        for model in models
    )
    return series | _tables(client, run_id) | {"state": run.info.status, "models": states}


def _points(client: MlflowClient, run_id: str, key: str) -> list[tuple[int, float]]:
    """As often as MLflow has them."""
    return [(point.step, point.value) for point in client.get_metric_history(run_id, key)]


def _tables(client: MlflowClient, run_id: str) -> dict[str, str]:
    """The hash of each table: masks, sensors, errors."""
    with TemporaryDirectory() as folder:
        root = Path(client.download_artifacts(run_id, "", folder))
        return {
            f"table {path.relative_to(root)}": hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(root.rglob("*.csv"))
            if path.name not in TIMED_TABLES
        }


def registry_facts(client: MlflowClient, name: str, history: str) -> Facts:
    """Versions, champion and history, with the experiment that a version is of for its number.

    Args:
        history: what ``dynst registry history NAME --format json`` prints.
    """
    of = {
        int(version.version): _experiment_of(client, str(version.run_id))
        for version in client.search_model_versions(f"name = '{name}'")
    }
    champion = client.get_registered_model(name).aliases.get("champion")
    return {
        "versions": sorted(of.values()),
        "champion": None if champion is None else of[int(champion)],
        "history": [
            (event["what"], of.get(event["version"]), of.get(event["before"]))
            for event in json.loads(history)
        ],
    }


def _experiment_of(client: MlflowClient, run_id: str) -> str:
    return str(client.get_experiment(client.get_run(run_id).info.experiment_id).name)


def differences(wanted: Facts, found: Facts, where: str = "") -> list[str]:
    """Names of what is lost, was not there before, or is another."""
    said = [f"lost: {where}{name}" for name in wanted if name not in found]
    said += [f"too much: {where}{name}" for name in found if name not in wanted]
    for name in [name for name in wanted if name in found and wanted[name] != found[name]]:
        before, after = wanted[name], found[name]
        if isinstance(before, dict) and isinstance(after, dict):
            said += differences(before, after, f"{where}{name}, ")
        else:
            said.append(f"other: {where}{name} ({_short(before)} became {_short(after)})")
    return said


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:40]}… of {len(text)} characters"
