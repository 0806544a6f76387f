"""Whether a backbone forecasts as well as the same model of an independent implementation.

    python -m benchmarks.parity.peer_accuracy metr-la-week1.h5 --graph adj_mx.pkl --pairs stid

Makes the peer's virtual environment, and trains both sides with every sensor on, three seeds each.
Prints errors of the test part over all locations, in raw units, with their spread.

Both sides have the same data, split, batches, learning rate of each step, AdamW, clipping, masked
mean absolute error, and choice of the best epoch by validation. Theirs is their model class with
their defaults, unless ``PAIRS`` says otherwise, on readings that are z-scored over the whole
network. Ours is the job that a user would write. Seconds of an epoch include its validation. They
are those of the processor, on one thread.
"""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory

import torch

from benchmarks.parity.peer_comparison import (
    PAIRS,
    Comparison,
    Outcome,
    Pair,
    Records,
    dataset_of,
    imported,
)
from benchmarks.parity.peer_environments import CACHE, PeerError
from benchmarks.support.options import parser_for
from benchmarks.support.tables import header, row
from dynst.data.importers.import_store import GraphOptions
from dynst.training.config import Recipe

SHOWN_STEPS = (3, 6, 12)
COLUMNS = (
    "model",
    "implementation",
    "MAE",
    *(f"step {step}" for step in SHOWN_STEPS),
    "parameters",
    "s an epoch",
)


def main() -> None:
    options = parsed()
    torch.set_num_threads(1)
    recipe = Recipe(
        epochs=options.epochs, learning_rate=options.learning_rate, batch_size=options.batch
    )
    print(header(COLUMNS, text=2))
    with TemporaryDirectory() as scratch:
        path, graph = Path(scratch) / "store", GraphOptions(graph=options.graph)
        store, records = imported(options.source, path, graph), Records(options.records)
        both = Comparison(store, dataset_of(store), recipe, options.cache, records)
        for name in options.pairs:
            for line in compared(both, name, PAIRS[name], range(options.seeds)):
                print(line, flush=True)


def parsed() -> Namespace:
    parser = parser_for(__doc__)
    parser.add_argument(
        "source", type=Path, help="readings in any form that dynst imports, one quantity"
    )
    parser.add_argument("--graph", type=Path, help="edge list or adjacency matrix")
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=0.002)
    parser.add_argument(
        "--cache", type=Path, default=CACHE, help="where the peers' virtual environments are kept"
    )
    parser.add_argument(
        "--records",
        type=Path,
        help="file of outcomes to go on from; they do not know of changes of code or data",
    )
    return parser.parse_args()


def compared(both: Comparison, name: str, pair: Pair, seeds: range) -> Iterator[str]:
    """Two lines of the table, and one for the ratio.

    A peer that does not run is named, and the others go on.
    """
    ours = both.outcomes(pair, "ours", seeds)
    yield row([name, "ours", *figures(ours)])
    try:
        theirs = both.outcomes(pair, "theirs", seeds)
    except PeerError as error:
        yield f"\n{pair.model}: {error}\n"
        return
    yield row([name, pair.model, *figures(theirs)])
    errors, seconds = (
        fmean(getattr(outcome, what) for outcome in ours)
        / fmean(getattr(outcome, what) for outcome in theirs)
        for what in ("mae", "epoch_seconds")
    )
    empty = [""] * (len(SHOWN_STEPS) + 1)
    yield row([name, "ours / theirs", f"{errors:.3f}", *empty, f"{seconds:.2f}"])


def figures(outcomes: list[Outcome]) -> list[str]:
    steps = [[outcome.by_step[step - 1] for outcome in outcomes] for step in SHOWN_STEPS]
    return [
        with_spread([outcome.mae for outcome in outcomes]),
        *map(with_spread, steps),
        f"{outcomes[0].parameters:,}",
        f"{fmean(outcome.epoch_seconds for outcome in outcomes):.2f}",
    ]


def with_spread(values: list[float]) -> str:
    """Mean and standard deviation."""
    return f"{fmean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
