"""Runs every benchmark that fits into half an hour on two cores, and writes one page.

    python -m benchmarks.all

``make bench`` runs it. Each table of the page is what the command above it printed. Where a command
fails, the page says so, and the others go on. The text before the first table is written by hand
and kept. Longer benchmarks (errors beside peers, kills, sweeps, trainings of all backbones) have
commands of their own, which README.md lists.
"""

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

from benchmarks.support.commands import ROOT, python_module
from benchmarks.support.machine import processor
from benchmarks.support.options import parser_for

RESULTS = ROOT / "benchmarks" / "results.md"
VERSIONS = ("torch", "torch-geometric", "ray", "mlflow", "numpy")
HEAD = "# Results\n"
HEADING = "\n## `"  # how a table of the page begins


@dataclass(frozen=True)
class Table:
    name: str  # of a module of this package
    words: str = ""
    seconds: int = 600  # after which it is ended

    @property
    def command(self) -> str:
        return f"python -m benchmarks.{self.name} {self.words}".strip()


TABLES = (
    Table("speed.inference", "--sensors 207 --turns 5 --seconds 1"),
    Table("speed.inference", "--sensors 2000 20000 --sparsities 0.5 0.8 --turns 3 --seconds 1"),
    Table("speed.roofline"),
    Table("speed.training", "--backbones morph_graph stid", 900),
    Table("parity.peer_epoch_time", "--pairs stid --rounds 3", 900),
    Table("speed.data_loading"),
    Table("scale.network_size", "--batches 4 --repeats 3"),
    Table("speed.start_up", "--workers 1", 300),
    Table("speed.overhead", "--epochs 4 --repeats 2 --set training.steps_per_epoch=1500", 900),
    Table("scale.data_parallel", "--repeats 2", 900),
)


def main() -> None:
    parser = parser_for(__doc__)
    names = sorted({table.name for table in TABLES})
    parser.add_argument("--only", nargs="+", choices=names, help="the page keeps the others")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    head, kept = parts_of(options.out)
    done = kept if options.only else {}
    for table in TABLES:
        if not options.only or table.name in options.only:
            print(f"{table.command} …", file=sys.stderr, flush=True)
            text = f"{HEADING}{table.command}`\n\n{machine()}\n\n{outcome(table)}\n"
            done[table.command] = text.lstrip()
            options.out.write_text(page(head, done), encoding="utf-8")


def parts_of(path: Path) -> tuple[str, dict[str, str]]:
    """What the page says before its tables, and these by command."""
    if not path.is_file():
        return HEAD, {}
    head, *tables = path.read_text(encoding="utf-8").split(HEADING)
    return head, {table.partition("`")[0]: f"{HEADING}{table}".strip() + "\n" for table in tables}


def page(head: str, done: dict[str, str]) -> str:
    tables = [done[table.command] for table in TABLES if table.command in done]
    return "\n".join([f"{head.rstrip()}\n", *tables])


def machine() -> str:
    known = ", ".join(f"{name} {version(name)}" for name in VERSIONS)
    load = f"load {os.getloadavg()[0]:.1f} before it began"
    return (
        f"{date.today()}, {processor()}, {os.cpu_count()} cores, {load}; Python "
        f"{platform.python_version()}, {known}."
    )


def outcome(table: Table) -> str:
    """What it printed, and how long it took; or the last line of its errors."""
    started = perf_counter()
    try:
        done = subprocess.run(
            python_module(f"benchmarks.{table.name}", *table.words.split()),
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=table.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return f"{(error.stdout or b'').decode().strip()}\n\nIt was ended after {table.seconds} s."
    if done.returncode:
        return f"It failed: {(done.stderr.strip().splitlines() or ['without a word'])[-1]}"
    return f"{done.stdout.strip()}\n\nThis took {(perf_counter() - started) / 60:.1f} minutes."


if __name__ == "__main__":
    main()
