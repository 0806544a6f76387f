"""All sections by name, one of them in this process, and what it runs on."""

import json
import os
import platform
import subprocess
from datetime import date

import torch

from benchmarks.gpu_sections.compact import COMPACT
from benchmarks.gpu_sections.compiled import COMPILED
from benchmarks.gpu_sections.growth import GROWTH
from benchmarks.gpu_sections.largest_ca import LARGEST_CA
from benchmarks.gpu_sections.precision import PRECISION
from benchmarks.gpu_sections.scale import Scale
from benchmarks.gpu_sections.section import Deadline
from benchmarks.gpu_sections.waits import WAITS
from benchmarks.support.machine import processor
from dynst.devices import computing_on

__all__ = ["SECTIONS", "machine", "write_rows"]

SECTIONS = {
    "largest_ca": LARGEST_CA,
    "growth": GROWTH,
    "compact": COMPACT,
    "compiled": COMPILED,
    "precision": PRECISION,
    "waits": WAITS,
}


def write_rows(name: str, scale: Scale, seconds: float) -> None:
    """One line of JSON for each, as soon as it is there."""
    deadline = Deadline(seconds)
    with computing_on(scale.device):
        for cells in SECTIONS[name].rows(scale, deadline):
            print(json.dumps({"row": cells}), flush=True)


def machine(scale: Scale) -> str:
    """What it runs on, as one paragraph."""
    host = f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    library = f"PyTorch {torch.__version__}"
    if scale.device.type != "cuda":
        return f"{date.today()}, {host}, {library}, no GPU."
    found = torch.cuda.get_device_properties(scale.device)
    return (
        f"{date.today()}, {found.name} ({found.total_memory / 2**30:.0f} GiB, compute capability "
        f"{found.major}.{found.minor}), driver {driver()}, CUDA {torch.version.cuda}, {library}, "
        f"float32 products in {torch.get_float32_matmul_precision()} precision unless a row says "
        f"otherwise; {host}."
    )


def driver() -> str:
    """Its version, by nvidia-smi."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.splitlines()[0].strip()
