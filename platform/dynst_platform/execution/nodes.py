"""What the nodes of a cluster see and have, asked of a worker on each.

A job that cannot run there is refused before it starts.
"""

import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst_platform.config.job import JobSpec
from dynst_platform.config.locations import home, storage
from dynst_platform.config.stores import is_fetched
from dynst_platform.config.submission_context import submission_context
from dynst_platform.errors import RunError
from dynst_platform.execution.local_ray import local_ray
from dynst_platform.execution.versions import differences, installed

__all__ = [
    "NodeFacts",
    "check_cluster",
    "check_for_job",
    "facts_here",
    "facts_of_nodes",
    "least_mib",
    "refusal",
]

MIN_FREE_MIB = 256
PATIENCE = 120.0  # seconds for the slowest node to answer


@dataclass(frozen=True)
class NodeFacts:
    """As a worker on the node found them.

    Args:
        unseen: paths that are not there.
        gpus: that Ray counts.
    """

    node: str
    versions: dict[str, str]
    unseen: list[str]
    home_error: str  # why nothing can be written there; empty where it can
    free_mib: float
    gpus: float
    extra: dict[str, str] = field(default_factory=dict)


def check_cluster(address: str, home: Path, paths: Iterable[Path], shared: bool = True) -> None:
    """Refuse a cluster whose nodes have other versions, do not see the paths, or cannot write the
    home folder.

    Args:
        home: where runs go; made here.
        shared: whether it must be the same folder on every node.

    Raises:
        RunError: says which node lacks what, and the remedy.
    """
    if submission_context() is not None and "DYNST_HOME" not in os.environ:
        raise RunError(
            "where runs go is not known on the cluster; set home in the profile, or DYNST_HOME on "
            "the nodes"
        )
    with local_ray(address=address):
        found = facts_of_nodes(home, paths, shared=shared)
    brought = submission_context()
    wanted = installed() if brought is None else brought.versions
    for sentence in refusal(found, wanted, home):
        raise RunError(sentence)


def refusal(found: Sequence[NodeFacts], wanted: dict[str, str], home: Path) -> Iterable[str]:
    """A sentence for everything that is wrong."""
    least = least_mib()
    for node in found:
        others = differences(wanted, node.versions)
        if others:
            yield (
                f"node {node.node} has {', '.join(others)}; install what constraints.txt says on "
                "every node, or submit with --install or --any-versions"
            )
        if node.home_error:
            yield (
                f"node {node.node} cannot write to {home} ({node.home_error}); mount it there, "
                f"or name another home"
            )
        for path in node.unseen:
            yield (
                f"node {node.node} does not see {path}; mount the folder at the same place on "
                f"every node, or use an s3:// address"
            )
        if not node.home_error and node.free_mib < least:
            yield (
                f"node {node.node} has {node.free_mib:,.0f} MiB left at {home}, but a run needs at "
                f"least {least:,.0f}; make room, or name another home"
            )


def check_for_job(job: JobSpec, store: SensorStore) -> None:
    """The same for a job that names a cluster.

    With ``DYNST_STORAGE`` each node needs a home of its own alone, and fetches what it can.
    """
    if job.cluster.address is None:
        return
    alone = storage() is not None
    paths = [] if alone and is_fetched(job.data.store) else [store.path]
    check_cluster(job.cluster.address, home(), paths, shared=not alone)


def least_mib() -> float:
    """What must be free where runs go.

    ``$DYNST_MIN_FREE_MIB``, which raises ConfigError where it is no number.
    """
    said = os.environ.get("DYNST_MIN_FREE_MIB", str(MIN_FREE_MIB))
    try:
        return float(said)
    except ValueError as error:
        raise ConfigError(
            f"DYNST_MIN_FREE_MIB must be a number of MiB, but is '{said}'; set it anew, or leave "
            f"it out"
        ) from error


def facts_of_nodes(
    home: Path, paths: Iterable[Path], extra: Any = None, shared: bool = True
) -> list[NodeFacts]:
    """Of every node of the cluster that this process is attached to.

    ``extra`` is called there too, for more facts. Where ``home`` is ``shared``, each node must see
    what this one writes there.

    Raises:
        RunError: a node does not answer.
    """
    mark = home / f".seen-{token_hex(4)}"
    failure = _written(mark)
    wanted = [str(path) for path in paths] + ([str(mark)] if shared and not failure else [])
    ask = ray.remote(num_cpus=0, max_retries=0)(facts_here)
    nodes = [node for node in ray.nodes() if node["Alive"]]
    answers = {
        ask.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(
            _name(node), str(home), wanted, float(node["Resources"].get("GPU", 0)), extra
        ): node
        for node in nodes
    }
    try:
        done, silent = ray.wait(list(answers), num_returns=len(answers), timeout=PATIENCE)
        if silent:
            raise RunError(
                f"node {_name(answers[silent[0]])} does not answer; see to it, or take it out of "
                f"the cluster"
            )
        return [_without_mark(facts, mark) for facts in ray.get(done)]
    except ray.exceptions.RayError as error:
        raise RunError(
            f"a node cannot run our workers ({_last_line(error)}); compare its packages with "
            f"constraints.txt"
        ) from error
    finally:
        if not failure:
            with suppress(OSError):
                mark.unlink()


def facts_here(node: str, home: str, paths: list[str], gpus: float, extra: Any) -> NodeFacts:
    """Of the machine that this process runs on; ``gpus`` is what Ray counts on it."""
    folder = Path(home)
    failure = _written(folder / f".written-{token_hex(4)}", keep=False)
    return NodeFacts(
        node=node,
        versions=installed(),
        unseen=[path for path in paths if not os.path.exists(path)],
        home_error=failure,
        free_mib=0.0 if failure else shutil.disk_usage(folder).free / 2**20,
        gpus=gpus,
        extra={} if extra is None else extra(),
    )


def _written(path: Path, keep: bool = True) -> str:
    """Why it cannot be; empty where it could."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("seen", encoding="utf-8")
        if not keep:
            path.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _without_mark(facts: NodeFacts, mark: Path) -> NodeFacts:
    """A node that can write to the folder and does not see our mark has another folder there."""
    if str(mark) not in facts.unseen:
        return facts
    unseen = [path for path in facts.unseen if path != str(mark)]
    failure = facts.home_error or "its folder of that name is another one"
    return NodeFacts(**vars(facts) | {"unseen": unseen, "home_error": failure})


def _name(node: dict[str, Any]) -> str:
    return f"{node['NodeManagerHostname']} ({node['NodeID'][:6]})"


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
