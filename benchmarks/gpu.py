"""What DynST does on one GPU, within nine minutes.

    python -m benchmarks.gpu                      in an environment with DynST
    python benchmarks/gpu.py                      in a bare checkout: no Ray, no MLflow

Prints what it runs on and writes benchmarks/gpu.md. Each section is a process of its own with its
share of the time that is left, so that none takes another's memory, time or device with it. Where a
row or a section fails, the table says so and why. ``--dry-run`` does all of it on the CPU in small
sizes; its figures mean nothing, and it writes no file but one that is named by ``--out``.

Ends with exit code 1 where a package or the GPU is missing, or a package cannot be imported.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from time import perf_counter
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script finds its folder alone

from benchmarks.support.options import parser_for
from benchmarks.support.tables import header, row

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "benchmarks" / "gpu.md"
NEEDED = (
    "cftime",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "safetensors",
    "scipy",
    "torch",
)  # what the parts of DynST that are used here import
SECONDS = 500  # for all sections; the start and the page come on top
DRY_SECONDS = 110
SHARES = {  # of that time, in the order in which they run: the goals come first
    "largest_ca": 5,
    "growth": 14,
    "compact": 9,
    "compiled": 8,
    "precision": 5,
    "waits": 3,
}


def main(words: Sequence[str] | None = None) -> int:
    parser = parser_for(__doc__)
    parser.add_argument("--dry-run", action="store_true", help="on the CPU, in small sizes")
    parser.add_argument("--only", nargs="+", choices=SHARES, default=list(SHARES))
    parser.add_argument("--out", type=Path, help="by default benchmarks/gpu.md")
    parser.add_argument("--seconds", type=float, help="for all sections together")
    parser.add_argument("--child", choices=SHARES, help="runs this section in this process")
    options = parser.parse_args(words)
    if lacking := missing():
        print(lacking, file=sys.stderr)
        return 1
    try:
        from benchmarks.gpu_sections import run, scale  # noqa: PLC0415 (now it is known to be there)
    except ImportError as error:
        print(f"DynST cannot be imported here: {error}", file=sys.stderr)
        return 1
    if not options.dry_run and not scale.has_gpu():
        print(
            "no GPU was found by PyTorch: run it where torch.cuda.is_available() is true, or with "
            "--dry-run",
            file=sys.stderr,
        )
        return 1
    chosen = scale.DRY if options.dry_run else scale.FULL
    seconds = options.seconds or (DRY_SECONDS if options.dry_run else SECONDS)
    if options.child:
        run.write_rows(options.child, chosen, seconds)
        return 0
    text = page(chosen.title, run.machine(chosen), options.only, seconds, options.dry_run)
    out = options.out or (None if options.dry_run else PAGE)
    if out is not None:
        out.write_text(text, encoding="utf-8")
    return 0


def missing() -> str:
    """One sentence of what cannot be imported; "" where all is there."""
    names = [name for name in NEEDED if find_spec(name) is None]
    return f"what DynST imports is missing here: install {', '.join(names)}" if names else ""


def page(title: str, machine: str, names: Sequence[str], seconds: float, dry: bool) -> str:
    """All sections, printed as they end."""
    from benchmarks.gpu_sections.run import SECTIONS  # noqa: PLC0415

    ends = perf_counter() + seconds
    blocks = [f"# {title}", f"Made by `python -m benchmarks.gpu{' --dry-run' * dry}`. {machine}"]
    print("\n\n".join(blocks), flush=True)
    for place, name in enumerate(names):
        left = ends - perf_counter()
        share = SHARES[name] / sum(SHARES[other] for other in names[place:])
        began = perf_counter()
        rows, remark = in_own_process(name, share * left, dry)
        section = SECTIONS[name]
        table = "\n".join([header(section.columns, section.text), *map(row, rows)])
        spent = f"This took {perf_counter() - began:.0f} s."
        found = [f"## {section.title}", section.question, table, f"{remark} {spent}".strip()]
        print("\n" + "\n\n".join(found), flush=True)
        blocks += found
    return "\n\n".join(blocks) + "\n"


def in_own_process(name: str, seconds: float, dry: bool) -> tuple[list[list[str]], str]:
    """The rows that a section wrote, and one sentence where it did not come to its end."""
    command = [sys.executable, str(Path(__file__).resolve()), "--child", name]
    command += ["--seconds", f"{seconds:.0f}"] + ["--dry-run"] * dry
    paths = os.pathsep.join(path for path in (str(ROOT), os.environ.get("PYTHONPATH")) if path)
    with TemporaryFile("w+") as written, TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command,
            stdout=written,
            stderr=errors,
            env=os.environ | {"PYTHONPATH": paths},
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(timeout=max(1.0, seconds))
        except subprocess.TimeoutExpired:
            code = None
        finally:
            end(process)
        rows, words = lines(written), lines(errors)
    cells = [json.loads(line)["row"] for line in rows if line.startswith('{"row":')]
    if code == 0:
        return cells, ""
    why = f"its {seconds:.0f} s were over" if code is None else f"exit code {code}"
    return cells, f"**The section was cut short: {why}{'; ' + words[-1] if words else ''}.**"


def end(process: "subprocess.Popen[bytes]") -> None:
    """With whatever it has started, compilers for instance."""
    if process.poll() is None:
        os.killpg(process.pid, 9)
        process.wait()


def lines(file: IO[str]) -> list[str]:
    file.seek(0)
    return [line for line in file.read().splitlines() if line.strip()]


if __name__ == "__main__":
    sys.exit(main())
