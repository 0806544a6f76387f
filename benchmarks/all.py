"""Every benchmark that fits half an hour on two cores, one after another, into one page.

Run: python benchmarks/all.py

``make bench`` runs it. Each table is what the command above it printed; one that fails says so, and
the others go on. What the page says before its first table is written by hand and kept. What takes
longer (parity of errors, kills, searches, trainings of all backbones) has commands of its own in
the documents.
"""

import argparse
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

HERE = Path(__file__).parent
RESULTS = HERE / "results.md"
VERSIONS = ("torch", "torch-geometric", "ray", "mlflow", "numpy")

HEAD = "# Results\n"
TABLE = "\n## `"  # how a part of the page begins


@dataclass(frozen=True)
class Table:
    script: str
    words: str = ""
    seconds: int = 600  # after which it is ended

    @property
    def command(self) -> str:
        return f"python benchmarks/{self.script} {self.words}".strip()


TABLES = (
    Table("inference.py", "--sensors 207 --turns 5 --seconds 1"),
    Table("inference.py", "--sensors 2000 20000 --sparsities 0.5 0.8 --turns 3 --seconds 1"),
    Table("roofline.py"),
    Table("training.py", "--backbones morph_graph stid", 900),
    Table("peers.py", "--pairs stid --rounds 3", 900),
    Table("data.py"),
    Table("growth.py", "--batches 4 --repeats 3"),
    Table("overhead.py", "--repeats 2", 900),
    Table("scaling.py", "--repeats 2", 900),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=sorted({table.script for table in TABLES}),
        help="the others keep what the page has",
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    wanted = [table for table in TABLES if not options.only or table.script in options.only]
    head, kept = parts_of(options.out)
    done = kept if options.only else {}
    for table in wanted:
        print(f"{table.command} …", file=sys.stderr, flush=True)
        done[table.command] = (
            f"{TABLE}{table.command}`\n\n{machine()}\n\n{outcome(table)}\n".lstrip()
        )
        options.out.write_text(page(head, done), encoding="utf-8")


def parts_of(path: Path) -> tuple[str, dict[str, str]]:
    """What the page says before its tables, and these by command."""
    if not path.is_file():
        return HEAD, {}
    head, *tables = path.read_text(encoding="utf-8").split(TABLE)
    return head, {table.partition("`")[0]: f"{TABLE}{table}".strip() + "\n" for table in tables}


def page(head: str, done: dict[str, str]) -> str:
    return "\n".join(
        [f"{head.rstrip()}\n", *(done[table.command] for table in TABLES if table.command in done)]
    )


def machine() -> str:
    known = ", ".join(f"{name} {version(name)}" for name in VERSIONS)
    load = f"load {os.getloadavg()[0]:.1f} before it began"
    return (
        f"{date.today()}, {processor()}, {os.cpu_count()} cores, {load}; Python "
        f"{platform.python_version()}, {known}."
    )


def processor() -> str:
    """Its name, where the system tells."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )


def outcome(table: Table) -> str:
    """What it printed, and how long it took; or the last line of why it failed."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths())}
    command, started = (
        [sys.executable, str(HERE / table.script), *table.words.split()],
        perf_counter(),
    )
    try:
        done = subprocess.run(
            command,
            env=environment,
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


def paths() -> list[str]:
    return [
        str(HERE.parent),
        str(HERE.parent / "platform"),
        *filter(None, [os.environ.get("PYTHONPATH", "")]),
    ]


if __name__ == "__main__":
    main()
