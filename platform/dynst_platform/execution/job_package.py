"""What travels to a cluster: our packages, the job, a user's own network and choice of sensors.

Never the data.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dynst
import dynst_platform
from dynst.errors import ConfigError
from dynst_platform.config.files import dump_spec, value_at
from dynst_platform.config.job import JobSpec
from dynst_platform.config.submission_context import SubmissionContext, write_context
from dynst_platform.config.sweep import SweepSpec
from dynst_platform.network_code.ignore_file import IGNORE_FILE
from dynst_platform.network_code.our_packages import copy_package
from dynst_platform.network_code.selection import NetworkCode, code_of

__all__ = ["JOB", "make_package", "network_codes"]

JOB, CHOICE = "job.yaml", "choice.csv"
LIMIT = 100 * 2**20  # bytes that Ray takes
BACKBONES = ("model.backbone", "model.backbone.name")


def make_package(
    folder: Path, spec: JobSpec | SweepSpec | None, brought: SubmissionContext
) -> None:
    """Put everything into ``folder``, from where ``python -m dynst_platform.main train job.yaml``
    runs.

    Args:
        spec: None where no job shall be run.

    Raises:
        ConfigError: it is more than Ray takes.
    """
    for package in (dynst, dynst_platform):
        copy_package(package, folder)
    for code in network_codes(spec):
        code.write(folder)
    if spec is not None:
        (folder / JOB).write_text(dump_spec(_with_choice(spec, folder)), encoding="utf-8")
    write_context(folder, brought)
    sizes = {path.name: _size(path) for path in folder.iterdir()}
    if sum(sizes.values()) > LIMIT:
        largest = max(sizes, key=lambda name: sizes[name])
        raise ConfigError(
            f"what travels to the cluster must be at most {LIMIT >> 20} MiB, but is "
            f"{sum(sizes.values()) >> 20} MiB, most of it "
            f"{largest}; leave"
            f" what is not needed out in {IGNORE_FILE}, or install it on the nodes"
        )


def network_codes(spec: JobSpec | SweepSpec | None) -> list[NetworkCode]:
    """The code of the user's own networks that the job may train."""
    names = set() if spec is None else set(_backbones(spec))
    return [code for name in sorted(names) if (code := code_of(name)) is not None]


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _backbones(spec: JobSpec | SweepSpec) -> Iterator[str]:
    """Names of all networks that the job may train."""
    if isinstance(spec, JobSpec):
        yield spec.model.backbone.name
        return
    tried = [value_at(spec.job, key) for key in BACKBONES]
    tried += [
        entry for key in BACKBONES if key in spec.space for entry in spec.space[key].entries or ()
    ]
    for found in tried:
        name = found.get("name") if isinstance(found, dict) else found
        if isinstance(name, str):
            yield name


def _with_choice(spec: JobSpec | SweepSpec, folder: Path) -> JobSpec | SweepSpec:
    """The file of a user's own choice of sensors lies beside the job, which names it as it is named
    there.
    """
    if isinstance(spec, SweepSpec) or spec.references.given is None:
        return spec
    source = Path(spec.references.given)
    if not source.is_file():
        raise ConfigError(
            f"references.given must name a CSV file, but there is none at {source}; name an "
            f"existing one"
        )
    shutil.copy(source, folder / CHOICE)
    return spec.model_copy(
        update={"references": spec.references.model_copy(update={"given": CHOICE})}
    )
