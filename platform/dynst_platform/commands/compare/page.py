"""A comparison as one page: what was found, drawn and listed, with the best map and the commands
that made it.
"""

import logging
from pathlib import Path

from matplotlib.figure import Figure

from dynst.errors import in_one_line
from dynst.storage.addresses import without_credentials
from dynst.storage.scratch import scratch_folder
from dynst_platform.commands.compare.workflow import Compared, TrainingRow, shortened
from dynst_platform.config.locations import tracking_uri
from dynst_platform.plots.figures import plain_texts
from dynst_platform.plots.html_report import Section, command_line, picture_of, write_html
from dynst_platform.tracking.clients import reader_of
from dynst_platform.tracking.reaching import as_tracking_error

__all__ = ["write_page"]

logger = logging.getLogger(__name__)

TABLE = (
    "name",
    "kind",
    "status",
    "sparsity",
    "mae_all",
    "over_dense",
    "mae_active",
    "mae_inactive",
    "cost",
    "speed_up",
    "front",
)
FRONT, OTHER = "#1a7f37", "#999999"


def write_page(path: Path, found: Compared, condition: str | None, sort: str | None) -> None:
    best = next((row for row in found.rows if row["promotable"]), None)
    options = (["--filter", condition] if condition else []) + (["--sort", sort] if sort else [])
    sections = [
        Section(
            "Error against sensors off",
            "Mean absolute error over all locations on the test part, switched-off ones included. "
            "Green: no other sparse training "
            "is better in both. The line is the network that reads every sensor.",
            picture=picture_of(lambda picture: _scatter(picture, found.rows)),
        ),
        Section(
            "Trainings",
            columns=TABLE,
            rows=[[dict(row)[name] for name in TABLE] for row in found.rows],
        ),
        Section(
            "Settings that differ",
            columns=("run", "settings"),
            rows=[
                (
                    row["name"],
                    ", ".join(
                        f"{key} = {shortened(value)}"
                        for key, value in found.varied.get(row["run_id"], {}).items()
                    ),
                )
                for row in found.rows
            ],
        ),
    ]
    if best is not None and (picture := _map_of(best["run_id"])) is not None:
        sections.append(
            Section(
                f"Sensors of {best['name']}",
                "The first of the list that its policy would promote.",
                picture=picture,
            )
        )
    commands = [
        command_line("dynst", "compare", found.experiment, *options, "--html", path.name),
        command_line("dynst", "promote", found.experiment, "--model", "NAME"),
    ]
    sections.append(
        Section(
            "Commands",
            "What made this page, and what puts the best into service.",
            commands=commands,
        )
    )
    write_html(path, f"DynST: {found.experiment}", sections)


@plain_texts
def _scatter(path: Path, rows: list[TrainingRow]) -> None:
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    known = [
        (100 * row["sparsity"], row["mae_all"], bool(row["front"]), row["over_dense"])
        for row in rows
        if row["mae_all"] is not None and row["sparsity"] is not None and row["kind"] != "dense"
    ]
    for wanted, colour, label in ((False, OTHER, "trainings"), (True, FRONT, "front")):
        some = [(off, error) for off, error, front, _ in known if front is wanted]
        axes.scatter(
            [off for off, _ in some],
            [error for _, error in some],
            c=colour,
            label=label,
            zorder=2 + wanted,
        )
    dense = [error / (1 + over) for _, error, _, over in known if over is not None]
    if dense:
        axes.axhline(sum(dense) / len(dense), color="black", linewidth=1, label="dense")
    axes.set(xlabel="sensors off (%)", ylabel="error over all locations")
    axes.legend()
    figure.savefig(path, dpi=110)


def _map_of(run_id: str) -> bytes | str | None:
    """The run's own map; a note where it cannot be had."""
    try:
        return _downloaded_map(run_id)
    except Exception as error:
        logger.warning("the map of run %s is left out: %s", run_id, error)
        return f"The map of run {run_id} is left out: {without_credentials(in_one_line(error))}"


def _downloaded_map(run_id: str) -> bytes | None:
    uri = tracking_uri()
    client = reader_of(uri)
    with as_tracking_error(uri), scratch_folder() as folder:
        if "sensors.png" not in {file.path for file in client.list_artifacts(run_id)}:
            return None
        return Path(client.download_artifacts(run_id, "sensors.png", folder)).read_bytes()
