"""What a setting is worth: a supernet, and random choices that are fine-tuned on it.

    python -m benchmarks.accuracy.levers --job jobs/evidence/vlinder.yaml --rows levers.jsonl
    python -m benchmarks.accuracy.levers … --set model.location_blocks=0

Errors are mean absolute errors on the test split, over ALL locations: with every sensor on as the
supernet is, and with half of the sensors off before and after fine-tuning. The draws of a seed are
the same for all settings. Rows are kept as they are made; one that is there is not made again.

The table has the mean over seeds, and beside it the difference to the first settings in the file,
paired by seed.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import Any

import torch

from benchmarks.support.experiments import experiment_for, trained
from benchmarks.support.options import add_job, parser_for
from benchmarks.support.rows import RowFile
from benchmarks.support.tables import header, row
from dynst.experiment.protocol import model_errors
from dynst.experiment.supernet import Point, Supernet
from dynst_platform.config.files import load_job

SPARSITY = 0.5
COLUMNS = ("job", "settings", "seeds", "every sensor on", "half off", "fine-tuned", "", "minutes")


@dataclass(frozen=True)
class Setting:
    """What a row is of."""

    job: str
    settings: list[str]
    seed: int


@dataclass(frozen=True)
class Found:
    """Errors in the unit of the first target."""

    every_sensor: float
    as_it_is: float
    fine_tuned: float
    inactive: float  # fine-tuned, at the locations that are off
    minutes: float


def main() -> None:
    parser = parser_for(__doc__)
    add_job(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="of fine-tuning, by default the job's")
    parser.add_argument("--rows", type=Path, default=Path("levers.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    file = RowFile(options.rows)
    for seed in options.seeds:
        setting = Setting(options.job.stem, options.set, seed)
        measure = partial(measured, options.job, options.set, seed, options.draws, options.epochs)
        file.row(setting, measure)
    print(header(COLUMNS, text=2))
    for cells in table(file.rows()):
        print(row(cells))


def measured(job: Path, settings: list[str], seed: int, draws: int, epochs: int | None) -> Found:
    started = perf_counter()
    experiment = experiment_for(job, [*settings, f"seed={seed}"])
    supernet = Supernet(experiment)
    model = trained(supernet)
    evaluator = supernet.evaluator(model)
    epochs = epochs or load_job(job).curve.fine_tune_epochs
    choices = [supernet.ranked("random", draw, evaluator, SPARSITY) for draw in range(draws)]
    before = [supernet.as_it_is(model, choice) for choice in choices]
    after = [supernet.fine_tuned(model, choice, epochs) for choice in choices]
    everyone = torch.ones(experiment.num_sensors, dtype=torch.bool)
    return Found(
        model_errors(experiment, model, everyone).mae(),
        mean(point.errors.mae() for point in before),
        mean(point.errors.mae() for point in after),
        mean(map(_inactive, after)),
        (perf_counter() - started) / 60,
    )


def table(rows: list[dict[str, Any]]) -> list[list[str]]:
    groups: dict[tuple[str, ...], dict[int, dict[str, Any]]] = {}
    for each in rows:
        groups.setdefault((each["job"], *each["settings"]), {})[each["seed"]] = each
    firsts = {name[0]: group for name, group in reversed(groups.items())}
    return [_cells(name, group, firsts[name[0]]) for name, group in groups.items()]


def _cells(
    name: tuple[str, ...], group: dict[int, dict[str, Any]], first: dict[int, dict[str, Any]]
) -> list[str]:
    rows = list(group.values())
    paired = [
        each["fine_tuned"] / first[seed]["fine_tuned"] - 1
        for seed, each in group.items()
        if seed in first
    ]
    columns = ("every_sensor", "as_it_is", "fine_tuned")
    return [
        name[0],
        " ".join(name[1:]) or "as the job",
        str(len(rows)),
        *(f"{mean(each[column] for each in rows):.4g}" for column in columns),
        f"{100 * mean(paired):+.1f}%" if paired else "",
        f"{mean(each['minutes'] for each in rows):.1f}",
    ]


def _inactive(point: Point) -> float:
    return point.errors.mae(~point.choice.active)


if __name__ == "__main__":
    main()
