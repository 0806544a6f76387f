"""The result of a training on the screen."""

from collections.abc import Iterator, Mapping, Sequence

from dynst.evaluation.ridge import PROFILE, RIDGE
from dynst.wording import counted
from dynst_platform.commands.train.errors_by_step import tables_by_step
from dynst_platform.commands.train.workflow import Outcome
from dynst_platform.reports import SelectionReport
from dynst_platform.terminal.output import print_open_questions, print_places
from dynst_platform.terminal.screen import Screen, TextTable

__all__ = ["print_table"]

MAX_NAMES = 60
UNTRAINED = (
    ("ridge regression", RIDGE, "kept"),
    ("persistence", "persistence", "all"),
    ("seasonal naive", "seasonal_naive", "all"),
    ("seasonal profile", PROFILE, "none"),
)
READS = {"kept": "the same sensors", "none": "none"}
GROUPS = {"mae_all": "ALL", "mae_active": "ACTIVE", "mae_inactive": "INACTIVE"}
LEVEL = 1.01  # of the network's error, up to which another forecaster is as good


def print_table(outcome: Outcome, by_step: bool = False) -> None:
    screen = Screen()
    screen.table(_errors(outcome), above=True)
    for table in tables_by_step(outcome) if by_step else ():
        screen.table(table, above=True)
    for sentence in (*_level(outcome.metrics), *_present(outcome)):
        screen.show(sentence, above=True, fold=True)
    sensors = outcome.sensors
    for verb, names in (("Keep", sensors["kept"]), ("Switch off", sensors["off"])):
        screen.show(f" {_listed(names)}", label=f"{verb} {len(names)}:", above=True, fold=True)
    if outcome.selection is not None:
        selection = SelectionReport.model_validate(outcome.selection)
        screen.show(selection.sentence(outcome.unit), above=True, fold=True)
    screen.show(_inference(outcome), above=True, fold=True)
    screen.show(
        f"Mask: {counted(outcome.mask_updates, 'change')}, "
        f"{counted(outcome.exchanged, 'sensor')} exchanged on the way.",
        fold=True,
    )
    picture = f"Sensor map   {outcome.artifacts['sensor_map']}"
    print_places(screen, picture, outcome.run_id, outcome.experiment, outcome.attribution)
    if outcome.queued_note:
        screen.show(outcome.queued_note, style="bold yellow", above=True)
    print_open_questions(screen, outcome.open_questions)


def _listed(names: Sequence[str]) -> str:
    more = (
        f" and {len(names) - MAX_NAMES} more; sensors.csv in the MLflow run has them all"
        if len(names) > MAX_NAMES
        else ""
    )
    return ", ".join(names[:MAX_NAMES]) + more


def _errors(outcome: Outcome) -> TextTable:
    several = (
        f"mean of {len(outcome.targets)} targets, each converted to the spread of the first"
        if len(outcome.targets) > 1
        else ""
    )
    unit = ", ".join(part for part in (outcome.unit, several) if part)
    total, kept = outcome.sensors["total"], outcome.sensors["active"]
    title = "Mean absolute error on the test part" + (f" ({unit})" if unit else "")
    table = TextTable(title, title_style="bold")
    table.column("forecaster", no_wrap=True)
    table.column("reads", justify="right")
    for name in (f"ALL {total}", f"{kept} ACTIVE", f"{total - kept} INACTIVE"):
        table.column(name, justify="right")
    table.column("vs dense", justify="right")
    metrics = outcome.metrics
    dense = metrics.get("dense/mae_all")
    _add(table, "DynST", f"{kept} sensors", _group(metrics, "test"), dense, style="bold green")
    if dense is not None:
        _add(table, "dense", f"{total} sensors", _group(metrics, "dense"), dense)
    choices = {
        arm: reference
        for arm, reference in outcome.references.items()
        if reference["kind"] != "dense"
    }
    for arm, reference in choices.items():
        name = "random choice" if reference["kind"] == "random" else arm.replace("_", " ")
        _add(
            table,
            f"{name}*",
            f"{reference['active']} sensors",
            {
                "mae_all": reference["mae_all"],
                "mae_active": reference["mae_active"],
                "mae_inactive": reference["mae_inactive"],
            },
            dense,
        )
    for name, key, reads in UNTRAINED:
        if f"{key}/mae_all" in metrics:
            count = {"all": total, "kept": kept, "none": 0}[reads]
            _add(table, name, f"{count} sensors", _group(metrics, key), dense)
    if choices:
        table.caption_of("* its own active and inactive sensors")
    return table


def _level(metrics: Mapping[str, float | None]) -> Iterator[str]:
    """Where a forecaster without a network that reads no other sensor does as well."""
    for name, key, reads in UNTRAINED:
        for group, title in GROUPS.items():
            own, other = metrics.get(f"test/{group}"), metrics.get(f"{key}/{group}")
            if reads != "all" and own is not None and other is not None and other <= LEVEL * own:
                yield (
                    f"At {title} locations the {name}, which reads {READS[reads]}, is level with "
                    f"the network or better: {other:.2f} against {own:.2f}."
                )


def _present(outcome: Outcome) -> Iterator[str]:
    """How well the network knows what a location reads now without its own reading."""
    found = _group(outcome.metrics, "present")
    off, on = found["mae_inactive"], found["mae_active"]
    unit = f" {outcome.unit}" if outcome.unit else ""
    if off is not None:
        left_out = (
            "" if on is None else f"; {on:.2f}{unit} at ACTIVE ones, a tenth left out in turn"
        )
        yield (
            f"Virtual readings, the present step from the other sensors: mean absolute error "
            f"{off:.2f}{unit} at INACTIVE locations{left_out}."
        )


def _group(metrics: Mapping[str, float | None], prefix: str) -> dict[str, float | None]:
    return {key: metrics.get(f"{prefix}/{key}") for key in GROUPS}


def _add(
    table: TextTable,
    name: str,
    reads: str,
    errors: Mapping[str, float | None],
    dense: float | None,
    style: str = "",
) -> None:
    overall = errors["mae_all"]
    against = "" if dense is None or overall is None else f"{overall / dense - 1:+.1%}"
    cells = ["–" if value is None else f"{value:.2f}" for value in (errors[key] for key in GROUPS)]
    table.row(name, reads, *cells, against, style=style)


def _speed(ratio: float) -> str:
    return f"{ratio:.2f} × as fast" if ratio >= 1 else f"{1 / ratio:.2f} × as long"


def _inference(outcome: Outcome) -> str:
    figures = outcome.efficiency
    return (
        f"Inference, {figures['batch_size']:.0f} forecasts of all locations: "
        f"{figures['compact_ms']:.2f} ms with the kept "
        f"sensors, {figures['dense_ms']:.2f} ms with all: {_speed(figures['speed_up'])}, "
        f"{figures['readings_ratio']:.2f} × fewer readings."
    )
