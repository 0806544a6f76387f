"""``dynst sync``: runs that MLflow does not have, or not to their end."""

from pathlib import Path

import click

from dynst.wording import counted
from dynst_platform.terminal.lines import say

__all__ = ["sync"]


@click.command()
@click.argument("folders", metavar="[FOLDER]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--skip",
    metavar="NUMBER",
    type=click.IntRange(min=1),
    help="Leave out this report of one FOLDER for good, which MLflow refuses.",
)
def sync(folders: tuple[Path, ...], skip: int | None) -> None:
    """Send MLflow what it lacks of the runs in FOLDERs, by default of all runs under the home
    folder.

    A run that was trained with --offline, or whose tracking server went away. Doing it twice does
    no harm. A run that cannot be sent is named, and the others are.
    """
    from dynst_platform.config.locations import home, shown
    from dynst_platform.tracking import sync as use_case

    if skip is not None and len(folders) != 1:
        raise click.UsageError("--skip goes with one FOLDER, whose report is left out; name it")
    ended = [] if folders else use_case.end_studies()
    for experiment in ended:
        say(f"{shown(experiment)}: the run of a study that was killed is ended in MLflow")
    waiting = folders or tuple(use_case.waiting_folders())
    if not waiting and not ended:
        say(f"nothing is waiting in {shown(home())}")
    refused: list[Exception] = []
    for folder in waiting:
        problem = _sent(folder, skip, named=bool(folders))
        if problem is not None:
            refused.append(problem)
        if _away(refused):
            break
    if refused:
        first, *others = refused
        for other in others:
            first.add_note(str(other))
        raise first


def _sent(folder: Path, skip: int | None, named: bool) -> Exception | None:
    """Send one run; returns what kept it from being sent."""
    from dynst.errors import DynstError
    from dynst_platform.config.locations import shown
    from dynst_platform.errors import BusyError, RunError, of_the_disk
    from dynst_platform.tracking import sync as use_case

    where = shown(folder.resolve())
    try:
        sent = use_case.sync(folder, skip)
    except BusyError as error:
        if named:
            raise
        say(str(error))
        return None
    except (DynstError, RunError) as error:
        return error
    except OSError as error:
        return of_the_disk(error) or _unknown(where, error)
    except Exception as error:  # whatever it is, the other runs are sent
        return _unknown(where, error)
    say(f"{where}: {counted(sent, 'report')} sent" if sent else f"{where}: nothing to send")
    return None


def _unknown(where: str, error: Exception) -> Exception:
    from dynst.errors import in_one_line
    from dynst_platform.errors import RunError

    return RunError(f"{where} cannot be sent ({in_one_line(error)}); see -v, and mend it")


def _away(refused: list[Exception]) -> bool:
    """Whether the server does not answer for one run after another, so that the rest can wait."""
    from dynst_platform.errors import UnreachableError

    return len(refused) > 1 and all(isinstance(each, UnreachableError) for each in refused[-2:])
