"""``dynst sync``: runs that MLflow does not have, or not to their end."""

from pathlib import Path

import click

from dynst_platform.terminal.lines import say

__all__ = ["sync"]


@click.command()
@click.argument("folders", metavar="[FOLDER]...", nargs=-1, type=click.Path(path_type=Path))
def sync(folders: tuple[Path, ...]) -> None:
    """Send MLflow what it lacks of the runs in FOLDERs, by default of all runs under the home
    folder.

    A run that was trained with --offline, or whose tracking server went away. Doing it twice does
    no harm. A run that cannot be sent is named, and the others are.
    """
    from dynst.errors import DynstError
    from dynst_platform.config.locations import home, shown
    from dynst_platform.errors import BusyError, TrackingError, UnreachableError
    from dynst_platform.tracking import sync as use_case

    waiting = folders or tuple(use_case.waiting_folders())
    if not waiting:
        say(f"nothing is waiting in {shown(home())}")
    refused: list[Exception] = []
    for folder in waiting:
        try:
            sent = use_case.sync(folder)
        except BusyError as error:
            if folders:
                raise
            say(str(error))
            continue
        except UnreachableError as error:
            for other in refused:
                error.add_note(str(other))
            raise
        except (DynstError, TrackingError) as error:
            refused.append(error)
            continue
        say(
            f"{shown(folder.resolve())}: {sent} reports sent"
            if sent
            else f"{shown(folder.resolve())}: nothing to send"
        )
    if refused:
        first, *others = refused
        for other in others:
            first.add_note(str(other))
        raise first
