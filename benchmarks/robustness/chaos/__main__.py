"""Whether anything is lost, doubled or left without a word where processes are killed.

    python -m benchmarks.robustness.chaos --seed 0

Kills (SIGKILL) the command itself, a worker, the raylet of a node, and MLflow's server, at random
moments of trainings, sweeps, ``dynst sync``, and promotions. After each kill it types what the
documents say, until all is done. A killed server is started again within seconds.

What MLflow holds then is compared with what it holds after the same work undisturbed: every figure
of every series, tables of masks and errors, weights, states, and the history of the registry. A run
that was left in MLflow, a traceback, or an exit code without a sentence is a fault too.

Prints a row for each undertaking, and ends with exit code 1 where there was a fault. The same seed
draws the same moments; what a process had done by then depends on the machine.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.robustness.chaos.facts import differences
from benchmarks.robustness.chaos.promotions import Promotions
from benchmarks.robustness.chaos.scenarios import Place, Scenario, disturbed, undisturbed
from benchmarks.robustness.chaos.trainings import ClusterTraining, Sweep, Sync, Training
from benchmarks.support.options import parser_for
from benchmarks.support.ray_nodes import first_node
from benchmarks.support.tables import header, row
from benchmarks.support.tracking_server import TrackingServer

SCENARIOS = ("training", "cluster", "sync", "sweep", "promotion")
COLUMNS = ("undertaking", "killed, and seconds after the start of the process", "s", "end")


def main() -> None:
    options = _parsed()
    kills, faults = Counter[str](), 0
    with _place(options.seed) as place:
        for name in options.only or SCENARIOS:
            with _scenario(name, place) as scenario:
                found, wrong = _disturb(scenario, place, options.times)
            kills, faults = kills + found, faults + wrong
    print(f"\n{kills.total()} kills: {', '.join(f'{n} {what}' for what, n in kills.items())}")
    print(f"undertakings with a fault: {faults}")
    sys.exit(min(faults, 1))


def _parsed() -> argparse.Namespace:
    parser = parser_for(__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--times", type=int, default=5, help="undertakings of each kind")
    parser.add_argument("--only", choices=SCENARIOS, action="append")
    return parser.parse_args()


@contextmanager
def _place(seed: int) -> Iterator[Place]:
    with TemporaryDirectory() as folder:
        home, server = Path(folder, "home"), TrackingServer(Path(folder))
        home.mkdir()
        server.start()
        try:
            yield Place(home, server, random.Random(seed))
        finally:
            server.kill()


@contextmanager
def _scenario(name: str, place: Place) -> Iterator[Scenario]:
    if name == "cluster":
        with first_node(str(place.home), cpus=2) as nodes:
            nodes.add_second()
            yield ClusterTraining(place, nodes)
        return
    makers: dict[str, Callable[[Place], Scenario]] = {
        "training": Training,
        "sync": Sync,
        "sweep": Sweep,
        "promotion": Promotions,
    }
    yield makers[name](place)


def _disturb(scenario: Scenario, place: Place, times: int) -> tuple[Counter[str], int]:
    """Once undisturbed, then disturbed: what was killed, and in how many there was a fault."""
    kills, faults, stem = Counter[str](), 0, scenario.name.replace(" ", "-")
    calm = undisturbed(scenario, place, f"{stem}-0")
    wanted = scenario.facts(f"{stem}-0")
    print(f"\n{scenario.name}, undisturbed: {calm.seconds:.0f} s {'; '.join(calm.faults)}\n")
    print(header(COLUMNS), flush=True)
    for number in range(1, times + 1):
        victims = place.draws.sample(scenario.victims, len(scenario.victims))
        key = f"{stem}-{number}"
        result = disturbed(scenario, place, key, victims, calm.longest)
        wrong = result.faults + differences(wanted, scenario.facts(key))
        kills.update(kill.victim for kill in result.kills)
        faults += bool(wrong)
        struck = ", ".join(map(str, result.kills))
        end = "; ".join(wrong) or "the same"
        print(row([key, struck, f"{result.seconds:.0f}", end]), flush=True)
    return kills, faults


if __name__ == "__main__":
    main()
