"""A job of the searched scheme and its references, whole: in this process, and on Ray."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dynst.data.store import SensorStore
from dynst_platform.commands.train import workflow as use_case
from dynst_platform.config.job import JobSpec
from dynst_platform.execution.launch import launch
from dynst_platform.execution.worker import run_job
from tests.dynst_platform.commands.train.test_train import small_job
from tests.dynst_platform.reports import plain

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"
)
KEPT = ["s2", "s5", "s7"]


def searched_job(network: SensorStore, folder: Path, **more: object) -> JobSpec:
    (folder / "mine.csv").write_text("\n".join(["sensor", *KEPT]))
    marks = {"pinned": ["s1"], "excluded": ["s2", "s3"]}
    return small_job(
        network,
        **{
            "sparsity": {"scheme": "searched", "final": 0.5, **marks},
            "search": {"elimination_rounds": 2, "rounds": 2, "proposals": 3},
            "references": {
                "random": 1,
                "baselines": ["variance", "farthest_point"],
                "given": str(folder / "mine.csv"),
            },
        }
        | more,
    )


ARMS = ["dense", "dynst", "random-0", "variance", "farthest_point", "given"]


@pytest.fixture(scope="module")
def reports(network: SensorStore, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    folder = tmp_path_factory.mktemp("job")
    run_job(
        searched_job(network, folder),
        network.path,
        folder,
        lambda report: said.append(plain(report)),
    )
    return said


def finals(reports: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {report["arm"]: report for report in reports if report["kind"] == "arm"}


def test_every_arm_keeps_what_it_must(reports: list[dict[str, Any]], network: SensorStore) -> None:
    ends = finals(reports)
    assert list(ends) == ARMS
    assert all(np.isfinite(end["metrics"]["test/mae_all"]) for end in ends.values())
    active = {name: np.array(end["active"]) for name, end in ends.items()}
    assert active["dense"].all()
    assert np.array(network.sensors.ids)[active["given"]].tolist() == KEPT
    for name in ("dynst", "random-0", "variance", "farthest_point"):
        assert active[name].sum() == 4
        assert active[name][1]
        assert not active[name][2:4].any()


def test_the_choice_is_one_round_between_two_epochs(reports: list[dict[str, Any]]) -> None:
    """0.4 of 5 epochs are 2: the third one reports the choice.

    The update that the schedule has there changes nothing.
    """
    epochs = [
        report for report in reports if report["kind"] == "epoch" and report["arm"] == "dynst"
    ]
    assert [report["sparsity"] for report in epochs] == [0.25, 0.25, 0.5, 0.5, 0.5], (
        "two of eight are excluded"
    )
    updates = [update for report in epochs for update in report["updates"]]
    assert [update["step"] for update in updates] == [12, 12]
    assert (len(updates[0]["pruned"]), len(updates[1]["pruned"])) == (2, 0)
    final = finals(reports)["dynst"]
    assert updates[0]["active"] == updates[1]["active"] == final["active"]
    assert updates[0]["importance"] == final["importance"]
    assert len(set(final["importance"])) == 8
    assert all(report["exchanged"] == 0 for report in epochs)


@pytest.mark.usefixtures("tracked_home", "quick_pictures")
def test_the_outcome_reports_each_reference_with_its_own_count(
    network: SensorStore, tmp_path: Path
) -> None:
    outcome = use_case.train(searched_job(network, tmp_path), network, lambda report: None)
    assert outcome.sensors["active"] == 4
    assert outcome.mask_updates == 1
    assert {name: found["active"] for name, found in outcome.references.items()} == {
        "dense": 8,
        "random-0": 4,
        "variance": 4,
        "farthest_point": 4,
        "given": 3,
    }
    assert {found["kind"] for found in outcome.references.values()} == {
        "dense",
        "random",
        "baseline",
    }
    assert all(found["mae_all"] > 0 for found in outcome.references.values())
    assert outcome.references["dense"]["mae_inactive"] is None, "it has none"


@pytest.mark.nightly
@pytest.mark.process
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")
def test_two_ray_workers_find_the_same_choice(
    reports: list[dict[str, Any]], network: SensorStore, tmp_path: Path, ray_head: str
) -> None:
    there: list[dict[str, Any]] = []
    (tmp_path / "run").mkdir()
    cluster = {"num_workers": 2, "address": ray_head}
    launch(
        searched_job(network, tmp_path, cluster=cluster),
        network.path,
        tmp_path / "run",
        lambda report: there.append(plain(report)),
    )
    here, there_ends = finals(reports), finals(there)
    assert list(there_ends) == ARMS
    for name in ARMS:
        assert there_ends[name]["active"] == here[name]["active"], name
        assert there_ends[name]["metrics"]["test/mae_all"] == pytest.approx(
            here[name]["metrics"]["test/mae_all"], rel=1e-3
        )
