"""Which versions are installed here, of what a run's figures and files depend on."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

__all__ = ["differences", "installed", "requirements"]

PACKAGES = (
    "ray",
    "torch",
    "numpy",
    "scipy",
    "pyarrow",
    "pandas",
    "pydantic",
    "safetensors",
    "mlflow",
    "optuna",
)


def installed() -> dict[str, str]:
    """Without the label of a build; of Python the minor version."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python} | {name: _version(name) for name in PACKAGES}


def differences(wanted: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """``torch 2.12.0 instead of 2.13.0`` for each that is not as wanted."""
    return [
        f"{name} {found.get(name, 'none')} instead of {wish}"
        for name, wish in wanted.items()
        if found.get(name) != wish
    ]


def requirements() -> list[str]:
    """For pip, what a node must have to be as this machine.

    Ray and Python must be there already.
    """
    return [
        f"{name}=={found}"
        for name, found in installed().items()
        if name not in ("python", "ray") and found != "none"
    ]


def _version(name: str) -> str:
    try:
        return version(name).split("+")[0]
    except PackageNotFoundError:
        return "none"
