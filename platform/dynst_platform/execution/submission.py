"""What a job on a cluster elsewhere is given beside its package, and whether that cluster can take
it.
"""

import os
from collections.abc import Mapping

from dynst.errors import ConfigError
from dynst_platform.config.cluster_profile import Profile
from dynst_platform.execution.ray_jobs import Cluster
from dynst_platform.execution.versions import differences, installed

__all__ = ["environment_of", "other_ray", "tracking_from_here", "variables_to_carry"]

OWN = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS")  # a node has its own


def variables_to_carry(
    profile: Profile, given: tuple[str, ...], environment: Mapping[str, str]
) -> dict[str, str]:
    """Of ``--env NAME=VALUE``, of ``--env NAME`` and of the profile, whose values are taken from
    ``environment``.

    Raises:
        ConfigError: a name has no value, or is one that belongs to the node.
    """
    found: dict[str, str] = {}
    for text in (*profile.env, *given):
        name, equals, value = text.partition("=")
        if not name or name in OWN:
            raise ConfigError(
                f"--env must be NAME=VALUE or NAME, and none of {', '.join(OWN)}, but got "
                f"'{name}'; leave it out"
            )
        if not equals and name not in environment:
            raise ConfigError(
                f"the variable {name} shall go along with the job, but is not set here; set it, "
                f"or leave it out"
            )
        found[name] = value if equals else environment[name]
    return found


def environment_of(profile: Profile) -> dict[str, str]:
    """What every process of a job there must know."""
    known = {
        "MLFLOW_TRACKING_URI": profile.tracking_uri,
        "DYNST_HOME": profile.home,
        "DYNST_STORAGE": profile.storage,
    }
    return {key: value for key, value in known.items() if value}


def tracking_from_here(profile: Profile) -> str | None:
    """MLflow as it is reached from this machine: ``$MLFLOW_TRACKING_URI`` may be a tunnel to what
    the nodes know.
    """
    here = os.environ.get("MLFLOW_TRACKING_URI", "")
    return here if here.startswith("http") else profile.tracking_uri


def other_ray(cluster: Cluster) -> str | None:
    """What to do where the cluster has another Ray than this machine."""
    found = differences({"ray": installed()["ray"]}, {"ray": cluster.ray_version})
    if not found:
        return None
    return (
        f"the cluster at {cluster.url} has {found[0]}; install the cluster's version here, bring "
        "the nodes to that of constraints.txt, or submit with --any-versions"
    )
