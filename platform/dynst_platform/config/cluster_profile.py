"""Which cluster, and how to reach it: from flags, then ``DYNST_*`` variables, then a named profile
in the user's file.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypedDict

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from dynst.bounds import Text
from dynst.errors import ConfigError, in_one_line
from dynst.storage.addresses import has_credentials, is_of_a_server, is_remote
from dynst_platform.config.documents import read_text, short
from dynst_platform.config.values import Overrides

__all__ = ["Profile", "config_path", "find_profile", "use_token"]

VARIABLES = {
    "address": "DYNST_ADDRESS",
    "token_file": "DYNST_TOKEN_FILE",
    "tracking_uri": "DYNST_TRACKING_URI",
    "home": "DYNST_CLUSTER_HOME",
    "storage": "DYNST_STORAGE",
}
LONGEST_TOKEN = 2**16  # characters
TOKEN_VARIABLES = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


def _address(path: str) -> str:
    if has_credentials(path):
        raise ValueError("must hold no credentials; give them in the environment")
    return path if is_remote(path) else _absolute(path)


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(f"must be an absolute path on the nodes, but got '{path}'")
    return path


class Profile(BaseModel):
    """A cluster as a user names it.

    It holds no secret: the token is in a file, other secrets are in the environment.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: Text | None = Field(None, description="of Ray's dashboard, http://host:8265")
    token_file: Path | None = Field(
        None, description="holds the cluster's token; by default Ray's own variables or file"
    )
    tracking_uri: Text | None = Field(
        None, description="MLflow as the nodes reach it; by default what their own environment says"
    )
    home: Annotated[Text, AfterValidator(_absolute)] | None = Field(
        None,
        description="folder for runs and stores, which every node sees unless there is a storage; "
        "by default the nodes' DYNST_HOME",
    )
    storage: Annotated[Text, AfterValidator(_address)] | None = Field(
        None,
        description="bucket (s3://, gs://) or folder that nodes and this machine reach, from which "
        "runs go on on any node; by default the nodes' DYNST_STORAGE",
    )
    env: tuple[Text, ...] = Field(
        (),
        max_length=1000,
        description="names of variables whose values here go along with every job",
    )

    @property
    def url(self) -> str:
        """Raises ConfigError where no address is known, or it is none."""
        if self.address is None:
            raise ConfigError(
                "no cluster is named; give --address http://host:8265, set "
                f"{VARIABLES['address']}, or write a profile into {config_path()}"
            )
        url = self.address if is_remote(self.address) else f"http://{self.address}"
        if not is_of_a_server(url):
            raise ConfigError(
                f"the address must be that of Ray's dashboard, for instance http://host:8265, but "
                f"got '{self.address}'"
            )
        if has_credentials(url):
            raise ConfigError(
                "the address must hold no user or password; put the token into a file and name it "
                "with --token-file"
            )
        return url.rstrip("/")


def config_path() -> Path:
    """``$DYNST_CONFIG``, or ``dynst/config.toml`` among the user's settings."""
    settings = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(os.environ.get("DYNST_CONFIG") or f"{settings}/dynst/config.toml").expanduser()


def find_profile(flags: Mapping[str, Any], name: str | None = None) -> Profile:
    """The profile ``name``, or ``$DYNST_PROFILE``, or the file's ``default``.

    What flags and variables say comes before it.

    Raises:
        ConfigError: there is no such profile, or the file is not what it should be.
    """
    said = {
        key: os.environ[variable] for key, variable in VARIABLES.items() if os.environ.get(variable)
    }
    said |= {key: value for key, value in flags.items() if value is not None}
    wanted = name or os.environ.get("DYNST_PROFILE")
    path = config_path()
    if not path.is_file():
        if wanted:
            raise ConfigError(
                f"there is no profile '{wanted}', because there is no file {path}; write it, or "
                f"name it in DYNST_CONFIG"
            )
        return _checked(said, "the flags")
    document = _read(path)
    profiles = document["profiles"]
    wanted = wanted or document["default"]
    if wanted is None:
        return _checked(said, "the flags")
    if wanted not in profiles:
        known = ", ".join(profiles) or "none"
        raise ConfigError(
            f"{path} must have a profile '{wanted}', but has {known}; name one of them, or write "
            f"[profiles.{wanted}]"
        )
    return _checked(profiles[wanted] | said, f"{path}: profiles.{wanted}")


class _File(TypedDict):
    """The configuration file, its tables not yet checked."""

    default: str | None
    profiles: dict[str, Overrides]


def use_token(profile: Profile) -> None:
    """Let Ray read the token of this profile, or what ``$DYNST_TOKEN`` holds where the profile
    names no file.

    Raises:
        ConfigError: the file cannot be read or holds no token.
    """
    if profile.token_file is None:
        if os.environ.get("DYNST_TOKEN"):
            os.environ["RAY_AUTH_TOKEN"] = os.environ["DYNST_TOKEN"]
        return
    path = profile.token_file.expanduser()
    try:
        with path.open(encoding="utf-8") as file:
            token = file.read(LONGEST_TOKEN)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"the token file {path} cannot be read ({reason}); name the file that the cluster's "
            f"token is in"
        ) from error
    if not token.strip() or token != token.strip() or len(token.split()) != 1:
        raise ConfigError(
            f"the token file {path} must hold the token and nothing else, no line end either; "
            f"write it anew"
        )
    os.environ.pop("RAY_AUTH_TOKEN", None)
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(path.resolve())


def _read(path: Path) -> _File:
    try:
        document = tomllib.loads(read_text(path, "the file of profiles"))
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits
        raise ConfigError(f"{path} is no TOML ({in_one_line(error)}); mend it") from error
    profiles = document.setdefault("profiles", {})
    stray = sorted(set(document) - {"default", "profiles"})
    if (
        stray
        or not isinstance(profiles, dict)
        or not all(isinstance(profile, dict) for profile in profiles.values())
        or not isinstance(document.get("default", ""), str)
    ):
        named = isinstance(document.get("default", ""), str)
        what = "profiles that are no tables" if named else "a default that is no text"
        what = f"the key {short(stray[0])}" if stray else what
        raise ConfigError(
            f"{path} must hold default and tables [profiles.NAME], but has {what}; mend it"
        )
    return _File(default=document.get("default"), profiles=profiles)


def _checked(document: Mapping[str, Any], where: str) -> Profile:
    try:
        return Profile.model_validate(document)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        known = ", ".join(Profile.model_fields)
        hint = (
            f"is unknown; known keys: {known}"
            if problem["type"] == "extra_forbidden"
            else problem["msg"].removeprefix("Value error, ").replace("Input should", "must")
        )
        raise ConfigError(f"{where}: '{place}' {hint}") from error
