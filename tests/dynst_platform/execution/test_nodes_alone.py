"""Nodes that share the storage alone: what each fetches, and what it leaves for the others."""

import json
import shutil
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from dynst.data.remote import publish_store
from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst_platform.commands.tune.reports import TrialConfig, TrialReport, TrialResult
from dynst_platform.commands.tune.trial_process import Setting, _train
from dynst_platform.config.experiment import experiment_of
from dynst_platform.config.job import JobSpec
from dynst_platform.config.stores import find_store
from dynst_platform.execution import nodes
from dynst_platform.execution.failure_file import record_failure
from dynst_platform.execution.report_callback import ReportFile
from dynst_platform.execution.worker_group import _failure_in
from dynst_platform.studies.tasks import Task, TaskResult, run_tasks
from dynst_platform.tracking.report_file import REPORTS
from dynst_platform.tracking.shared_folder import SharedFolder
from tests.conftest import write_network
from tests.dynst_platform.commands.train.test_train import small_job


@pytest.fixture
def published(network: SensorStore, tmp_path: Path, own_home: Path) -> JobSpec:
    address = (tmp_path / "published").as_uri()
    publish_store(network.path, address)
    return small_job(network, data={"store": address})


def test_a_node_fetches_the_store_that_the_driver_has(published: JobSpec, own_home: Path) -> None:
    path = find_store(published.data.store).path
    shutil.rmtree(own_home)
    assert experiment_of(published, path).store.path == path


def test_a_store_that_took_its_place_is_refused(
    published: JobSpec, own_home: Path, tmp_path: Path
) -> None:
    path = find_store(published.data.store).path
    shutil.rmtree(own_home)
    shutil.rmtree(tmp_path / "published")
    publish_store(write_network(tmp_path / "other", seed=1).path, published.data.store)
    with pytest.raises(ConfigError, match=r"store that the run began with, .* now holds another"):
        experiment_of(published, path)


@pytest.mark.parametrize(
    ("storage", "address", "expected"),
    [("", True, (1, True)), ("s3://bucket", True, (0, False)), ("s3://bucket", False, (1, False))],
)
def test_what_nodes_must_see(
    storage: str,
    address: bool,
    expected: tuple[int, bool],
    network: SensorStore,
    own_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DYNST_STORAGE", storage)
    asked: list[tuple[int, bool]] = []
    monkeypatch.setattr(
        nodes, "check_cluster", lambda at, home, paths, shared: asked.append((len(paths), shared))
    )
    store = "s3://bucket/store" if address else str(network.path)
    job = small_job(network, data={"store": store}, cluster={"address": "auto", "num_workers": 1})
    nodes.check_for_job(job, network)
    assert asked == [expected]
    nodes.check_for_job(small_job(network), network)
    assert asked == [expected], "without a cluster nothing is asked"


def two_nodes(tmp_path: Path) -> tuple[SharedFolder, SharedFolder]:
    """The same folder on two disks."""
    one, other = (SharedFolder(tmp_path / name, str(tmp_path / "copy")) for name in ("a", "b"))
    for node in (one, other):
        node.folder.mkdir()
    return one, other


def test_why_a_worker_failed_is_known_on_every_node(tmp_path: Path) -> None:
    driver, worker = two_nodes(tmp_path)
    with record_failure(worker.folder, worker):
        raise ValueError("no luck")
    with record_failure(driver.folder, driver):
        raise RuntimeError("[gloo] Connection closed by peer")
    assert _failure_in(driver.folder, driver) == "no luck"


def test_a_model_is_on_the_drivers_node_before_its_report(tmp_path: Path) -> None:
    driver, worker = two_nodes(tmp_path)
    model = worker.folder / "models" / "dynst"
    model.mkdir(parents=True)
    (model / "weights").write_bytes(b"1")
    worker.put(model)
    report = {"kind": "arm", "artifact": "models/dynst"}
    ReportFile(driver.folder / REPORTS, driver).after_report(None, [report], None)
    assert (driver.folder / "models" / "dynst" / "weights").read_bytes() == b"1"
    assert json.loads((driver.folder / REPORTS).read_bytes()) == report


def test_finished_tasks_are_taken_from_the_storage(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYNST_STORAGE", str(tmp_path / "storage"))
    calls: list[int] = []

    def work(number: int) -> TaskResult:
        calls.append(number)
        return TaskResult([{"number": number}], {"state.pt": b"0"})

    task = Task("s/one", count, (work, 3), {"number": 3})
    done: list[TaskResult] = []
    for _ in range(2):
        run_tasks([task], own_home / "x" / "pieces", 0, lambda task, result: done.append(result))
        shutil.rmtree(own_home)
    assert calls == [3]
    assert done[0] == done[1]


def count(work: Any, number: int) -> TaskResult:
    result: TaskResult = work(number)
    return result


class OneEpoch:
    """In place of a ``Trial``: notes the state that it goes on from."""

    seen: ClassVar[list[Any]] = []

    def __init__(self, jobs: Any, store: str, warm: Any, beat: Any, states: Any) -> None:
        self.seen.append(states)

    def epochs(self) -> Any:
        yield TrialReport(epoch=1)

    def state_dict(self) -> Any:
        return [{"step": torch.tensor(7)}]

    def result(self, folder: Path) -> TrialResult:
        folder.mkdir()
        (folder / "weights").write_bytes(b"1")
        return TrialResult(objectives={}, metrics={}, active=(), importance=(), seconds=1)


def test_a_trial_leaves_state_and_model_for_other_nodes(
    network: SensorStore, tmp_path: Path
) -> None:
    one, other = two_nodes(tmp_path)
    config = TrialConfig(0, (small_job(network),))

    def setting(node: SharedFolder) -> Setting:
        return Setting(
            "store",
            None,
            str(node.folder / "trials"),
            60,
            state_every=1,
            make_trial=OneEpoch,  # type: ignore[arg-type]
            shared=node,
        )

    def killed(report: TrialReport) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _train(config, setting(one), killed)
    reports: list[TrialReport] = []
    _train(config, setting(other), reports.append)
    assert OneEpoch.seen[-1][0]["step"] == 7
    assert reports[-1].result is not None
    one.refresh(one.folder / "trials" / "00000")
    assert (one.folder / "trials" / "00000" / "weights").read_bytes() == b"1"
    assert other.names() == ["trials/00000.tar"], "the state is of no use any more"
