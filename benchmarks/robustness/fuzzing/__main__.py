"""What becomes of damaged files, jobs, models and stores.

    python -m benchmarks.robustness.fuzzing --seed 0

Each input is damaged by a generator of its own seed and used in a process of its own. It is refused
by one sentence, or accepted. Everything else is a fault: another exception, more than 20 seconds, a
process of more than 2 GiB, a refused import that leaves something behind, or a damaged store that
is used. Faults are printed with the command that repeats them, and end in exit code 1.
"""

import sys
import time

from benchmarks.robustness.fuzzing.attempts import Count, Family, count, run
from benchmarks.robustness.fuzzing.files import DataFiles
from benchmarks.robustness.fuzzing.jobs import JobFiles
from benchmarks.robustness.fuzzing.models import Models
from benchmarks.robustness.fuzzing.stores import Stores
from benchmarks.support.options import parser_for
from benchmarks.support.tables import header, row

FAMILIES: dict[str, tuple[Family, int]] = {
    family.name: (family, number)
    for family, number in (
        (DataFiles(), 1000),
        (JobFiles(), 1000),
        (Models(), 300),
        (Stores(), 300),
    )
}
OUTCOMES = ("refused", "accepted", "unchanged", "traceback", "hang", "memory", "used")
COLUMNS = ("inputs", "tried", *OUTCOMES, "peak memory, MiB", "seconds")


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument(
        "--seed", type=int, default=0, help="of the first input; then one more each"
    )
    parser.add_argument("--only", choices=sorted(FAMILIES), action="append")
    parser.add_argument("--number", type=int, help="of inputs, instead of 1000 or 300")
    options = parser.parse_args()
    faults: list[str] = []
    print(header(COLUMNS))
    for name in options.only or FAMILIES:
        family, number = FAMILIES[name]
        seeds = range(options.seed, options.seed + (options.number or number))
        started = time.perf_counter()
        found = count(run(family, seeds))
        print(row(cells(name, found, time.perf_counter() - started)), flush=True)
        faults += [
            f"--only {name} --seed {fault.seed} --number 1: {fault.outcome}\n{fault.detail}"
            for fault in found.faults
        ]
    print("", *faults, sep="\n")
    sys.exit(bool(faults))


def cells(name: str, found: Count, seconds: float) -> list[str]:
    counts = [str(found.outcomes[outcome]) for outcome in OUTCOMES]
    return [
        name,
        str(found.outcomes.total()),
        *counts,
        f"{found.memory / 2**20:.0f}",
        f"{seconds:.0f}",
    ]


if __name__ == "__main__":
    main()
