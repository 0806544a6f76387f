"""Options of every command that connects to a cluster."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from dynst_platform.config.cluster_profile import Profile

__all__ = ["cluster_options", "profile_of"]

OPTIONS = (
    click.option(
        "--address",
        metavar="URL",
        help="Of the cluster's dashboard, http://host:8265. Else DYNST_ADDRESS, else the profile.",
    ),
    click.option(
        "--token-file",
        type=click.Path(path_type=Path),
        help="Holds the cluster's token. Else DYNST_TOKEN_FILE.",
    ),
    click.option(
        "--tracking-uri",
        metavar="URI",
        help="MLflow as the nodes reach it. Else DYNST_TRACKING_URI.",
    ),
    click.option(
        "--home",
        metavar="FOLDER",
        help="For runs and stores on the nodes. Else DYNST_CLUSTER_HOME.",
    ),
    click.option(
        "--storage",
        metavar="ADDRESS",
        help="Bucket or folder from which runs go on on any node. Else DYNST_STORAGE.",
    ),
    click.option(
        "--profile",
        "profile_name",
        metavar="NAME",
        help="A cluster of ~/.config/dynst/config.toml (or $DYNST_CONFIG).",
    ),
)


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options, whose values ``profile_of`` takes."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def profile_of(flags: dict[str, Any]) -> "Profile":
    """Flags, then variables, then the named profile."""
    from dynst_platform.config.cluster_profile import find_profile

    known = {key: value for key, value in flags.items() if key != "profile_name"}
    return find_profile(known, flags["profile_name"])
