"""What is said of each link, from what nodes say of themselves."""

import json
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

import pytest

from dynst_platform.commands.doctor import workflow as doctor
from dynst_platform.commands.doctor.workflow import Check, examine, node_checks
from dynst_platform.config.cluster_profile import Profile
from dynst_platform.execution.nodes import NodeFacts
from dynst_platform.execution.ray_jobs import Cluster
from dynst_platform.execution.versions import installed
from tests.dynst_platform.commands.submit.test_submit import FakeRay, details

FINE = {"tracking": "", "torch_gpus": "0"}
GOOD = NodeFacts("a", installed(), [], "", 10_000.0, 0.0, FINE)
PROFILE = Profile(address="http://host:8265", tracking_uri="http://me:secret@mlflow:5000")


def checks(*nodes: NodeFacts, home: str | None = "/shared") -> dict[str, Check]:
    return {check.link: check for check in node_checks(nodes, home, PROFILE)}


def test_everything_holds() -> None:
    found = checks(GOOD, replace(GOOD, node="b"))
    assert list(found) == ["workers", "versions", "storage", "space", "tracking", "GPUs"]
    assert all(check.holds for check in found.values())
    assert "secret" not in str(found)
    assert found["GPUs"].found == "none: trainings run on CPUs"


@pytest.mark.parametrize(
    ("link", "change", "sentence"),
    [
        ("versions", {"versions": installed() | {"ray": "1.0"}}, "node b has ray 1.0 instead of"),
        (
            "storage",
            {"home_error": "Permission denied"},
            "node b cannot use it (Permission denied)",
        ),
        ("space", {"free_mib": 3.0}, "node b has 3 MiB left, but a run needs at least 256"),
        ("tracking", {"extra": FINE | {"tracking": "it is away"}}, "node b says that it is away"),
        ("GPUs", {"gpus": 2.0}, "node b has 2 GPUs for Ray and 0 for PyTorch"),
    ],
)
def test_a_link_that_does_not_hold_is_named_with_its_remedy(
    link: str, change: dict[str, Any], sentence: str
) -> None:
    found = checks(GOOD, replace(GOOD, node="b", **change))
    assert [name for name, check in found.items() if not check.holds] == [link]
    assert found[link].found.startswith(sentence)
    assert found[link].remedy


def test_nodes_that_do_not_know_where_runs_go() -> None:
    check = checks(GOOD, home=None)["storage"]
    assert not check.holds
    assert check.remedy == "set home in the profile, or DYNST_HOME on the nodes"


class LookingAround(FakeRay):
    """Whose small job says this at its end."""

    def __init__(
        self, said: str, state: str = "SUCCEEDED", version: str = installed()["ray"]
    ) -> None:
        super().__init__(version)
        self.said, self.state = said, state

    def submit_job(self, **sent: Any) -> str:
        self.sent = sent
        return str(sent["submission_id"])

    def get_job_info(self, job_id: str) -> SimpleNamespace:
        return details(job_id, status=self.state)

    def get_job_logs(self, job_id: str) -> str:
        return f"something else\n{self.said}\n"


def remeasured_apart(monkeypatch: pytest.MonkeyPatch, ray: FakeRay) -> list[Check]:
    monkeypatch.setattr(doctor, "connect", lambda profile: Cluster("http://host:8265", ray))
    return list(examine(PROFILE, {}))


def test_from_the_address_to_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = json.dumps({"home": "/shared", "nodes": [asdict(GOOD)]})
    links = [
        check.link for check in remeasured_apart(monkeypatch, LookingAround(seen)) if check.holds
    ]
    assert links == [
        "address",
        "token",
        "Ray's version",
        "workers",
        "versions",
        "storage",
        "space",
        "tracking",
        "GPUs",
    ]


def test_another_ray_and_a_job_that_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    found = remeasured_apart(
        monkeypatch,
        LookingAround("ModuleNotFoundError: No module named 'torch'", "FAILED", "2.1.0"),
    )
    broken = {check.link: check for check in found if not check.holds}
    assert list(broken) == ["Ray's version", "workers"]
    assert (
        broken["Ray's version"].found
        == f"the cluster at http://host:8265 has ray 2.1.0 instead of {installed()['ray']}"
    )
    assert (
        broken["workers"].found
        == "a small job did not run there (ModuleNotFoundError: No module named 'torch')"
    )


def test_an_address_where_nobody_listens_ends_it() -> None:
    (check,) = examine(Profile(address="http://127.0.0.1:1"), {})
    assert (check.link, check.holds) == ("address", False)
    assert check.remedy == "check the address, and that its port is forwarded to you"


def test_a_token_file_that_is_absent() -> None:
    (check,) = examine(Profile(address="http://127.0.0.1:1", token_file="/absent/token"), {})
    assert check.link == "token"
