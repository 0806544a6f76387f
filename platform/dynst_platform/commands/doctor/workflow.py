"""The use case behind ``dynst doctor``: each link between this machine and a training on a cluster,
one after another.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynst.errors import ConfigError
from dynst.storage.addresses import without_credentials
from dynst.storage.scratch import scratch_folder
from dynst_platform import ENV_DEFAULTS
from dynst_platform.config.cluster_profile import Profile
from dynst_platform.config.job_id import fresh_job_id
from dynst_platform.config.submission_context import SubmissionContext
from dynst_platform.errors import RunError, UnreachableError
from dynst_platform.execution.job_package import make_package
from dynst_platform.execution.nodes import NodeFacts, least_mib
from dynst_platform.execution.ray_jobs import Cluster, connect
from dynst_platform.execution.submission import environment_of, other_ray
from dynst_platform.execution.versions import differences, installed

__all__ = ["Check", "examine", "node_checks"]

PROBE = "exec python -m dynst_platform.main doctor --from-inside"


@dataclass(frozen=True)
class Check:
    """One link: what was found, and where it does not hold, what to do."""

    link: str
    holds: bool
    found: str
    remedy: str = ""


def examine(profile: Profile, variables: Mapping[str, str]) -> Iterator[Check]:
    """Checks as they are made.

    A link that everything behind it needs ends them where it does not hold.
    """
    try:
        cluster = connect(profile)
    except UnreachableError as error:
        yield _failed("address", error)
        return
    except ConfigError as error:
        yield _failed("token" if "token" in str(error) else "address", error)
        return
    yield Check("address", True, f"Ray answers at {cluster.url}")
    yield Check("token", True, "accepted")
    other = other_ray(cluster)
    yield Check(
        "Ray's version", other is None, *_parted(other or f"{cluster.ray_version}, as here")
    )
    try:
        seen = _seen_from_inside(cluster, profile, variables)
    except RunError as error:
        yield _failed("workers", error)
        return
    yield from node_checks([NodeFacts(**facts) for facts in seen["nodes"]], seen["home"], profile)


def node_checks(nodes: Sequence[NodeFacts], home: str | None, profile: Profile) -> Iterator[Check]:
    """What the nodes said of themselves, link by link.

    Args:
        home: the folder for runs, as the nodes know it; None where they do not.
    """
    yield Check(
        "workers",
        True,
        f"{len(nodes)} nodes start our workers: {', '.join(facts.node for facts in nodes)}",
    )
    yield _of_all(
        "versions",
        nodes,
        _versions,
        "those of this machine",
        "install what constraints.txt says on every node",
    )
    if home is None:
        yield Check(
            "storage",
            False,
            "the nodes do not know where runs go",
            "set home in the profile, or DYNST_HOME on the nodes",
        )
    else:
        yield _of_all(
            "storage",
            nodes,
            _storage,
            f"{home} can be written by every node",
            f"mount one folder at {home} on every node, or name a storage that all of them reach",
        )
        yield _of_all(
            "space",
            nodes,
            _space,
            f"at least {_least_space(nodes)} MiB left",
            f"make room at {home}, or name another",
        )
    uri = profile.tracking_uri
    where = without_credentials(uri) if uri else "MLflow as the nodes know it"
    remedy = (
        "start the server, see that the nodes reach it, and send MLFLOW_TRACKING_USERNAME "
        "and _PASSWORD along if it asks for them"
    )
    yield _of_all("tracking", nodes, _tracking, f"{where} answers every node", remedy)
    counted = sum(facts.gpus for facts in nodes)
    found = f"{counted:g} in all" if counted else "none: trainings run on CPUs"
    yield _of_all(
        "GPUs",
        nodes,
        _gpus,
        found,
        "install the driver and a CUDA build of PyTorch, and start Ray anew on the node",
    )


def _of_all(link: str, nodes: Sequence[NodeFacts], wrong: Any, found: str, remedy: str) -> Check:
    """Holds where ``wrong`` has nothing to say of any node."""
    said = [f"node {facts.node} {sentence}" for facts in nodes if (sentence := wrong(facts))]
    return Check(link, False, "; ".join(said), remedy) if said else Check(link, True, found)


def _versions(facts: NodeFacts) -> str:
    others = differences(installed(), facts.versions)
    return f"has {', '.join(others)}" if others else ""


def _storage(facts: NodeFacts) -> str:
    error = facts.home_error or facts.extra.get("storage", "")
    return f"cannot use it ({error})" if error else ""


def _space(facts: NodeFacts) -> str:
    short = not facts.home_error and facts.free_mib < least_mib()
    return (
        f"has {facts.free_mib:,.0f} MiB left, but a run needs at least {least_mib():,.0f}"
        if short
        else ""
    )


def _least_space(nodes: Sequence[NodeFacts]) -> str:
    return f"{min((facts.free_mib for facts in nodes if not facts.home_error), default=0):,.0f}"


def _tracking(facts: NodeFacts) -> str:
    error = facts.extra["tracking"]
    return f"says that {error}" if error else ""


def _gpus(facts: NodeFacts) -> str:
    counted, seen = f"{facts.gpus:g}", facts.extra["torch_gpus"]
    return f"has {counted} GPUs for Ray and {seen} for PyTorch" if counted != seen else ""


def _seen_from_inside(
    cluster: Cluster, profile: Profile, variables: Mapping[str, str]
) -> dict[str, Any]:
    """Through a small job, whose last line is what it saw.

    Raises:
        RunError: it did not come to that.
    """
    job_id = f"doctor-{fresh_job_id()}"
    with scratch_folder() as folder:
        make_package(
            Path(folder), None, SubmissionContext(job_id, environment_of(profile) | dict(variables))
        )
        cluster.submit(
            job_id,
            PROBE,
            Path(folder),
            ENV_DEFAULTS,
            {"name": "doctor", "kind": "doctor", "run": "doctor"},
        )
    ended = cluster.ended(job_id)
    lines = cluster.logs(job_id).strip().splitlines() or [
        ended.message.strip() or "it said nothing"
    ]
    if ended.code or not lines[-1].startswith("{"):
        raise RunError(f"a small job did not run there ({lines[-1]}); see dynst jobs logs {job_id}")
    seen: dict[str, Any] = json.loads(lines[-1])
    return seen


def _failed(link: str, error: Exception) -> Check:
    return Check(link, False, *_parted(str(error)))


def _parted(sentence: str) -> tuple[str, str]:
    """Our sentences end with the remedy, behind a semicolon."""
    found, _, remedy = sentence.partition("; ")
    return found, remedy
