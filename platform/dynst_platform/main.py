"""The root command, and what every command has in common: how errors end."""

import logging
import sys
from io import StringIO
from traceback import format_exc

import click

from dynst import __version__
from dynst.errors import DynstError
from dynst.notices import notice
from dynst.storage.addresses import without_credentials
from dynst.storage.room import is_full
from dynst_platform import LEFT_OUT
from dynst_platform.commands.ablate.command import ablate
from dynst_platform.commands.compare.command import compare
from dynst_platform.commands.curve.command import curve
from dynst_platform.commands.data.command import data
from dynst_platform.commands.doctor.command import doctor
from dynst_platform.commands.export.command import export
from dynst_platform.commands.forecast.command import forecast
from dynst_platform.commands.promote.command import promote
from dynst_platform.commands.registry import registry
from dynst_platform.commands.sensors.command import sensors
from dynst_platform.commands.submit.command import submit
from dynst_platform.commands.submit.jobs import jobs
from dynst_platform.commands.sync import sync
from dynst_platform.commands.train.command import train
from dynst_platform.commands.tune.command import tune
from dynst_platform.commands.ui import ui
from dynst_platform.errors import RefusedError, RunError, of_the_disk
from dynst_platform.log import configure_log
from dynst_platform.stopping import exit_code, is_stop, run_as_process, stop_reason, stoppable
from dynst_platform.terminal.log_options import with_log_options
from dynst_platform.terminal.machine import check_names, sentence_of
from dynst_platform.terminal.streams import standard_streams
from dynst_platform.text import printable, printable_lines

__all__ = ["main"]

logger = logging.getLogger(__name__)


@with_log_options
@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dynst")
def cli() -> None:
    """Learn which sensors of a network can be switched off, and what that costs in forecast
    accuracy.
    """


for command in (
    train,
    tune,
    submit,
    jobs,
    doctor,
    sync,
    curve,
    ablate,
    compare,
    promote,
    registry,
    sensors,
    forecast,
    export,
    data,
    ui,
):
    cli.add_command(with_log_options(command))


def main() -> None:
    """Exit codes: 0 done, 1 a run failed or something is away, 2 wrong input, 3 refused: a
    promotion, code that is not trusted, a user without the permission. 128 and the number of the
    signal that stopped it (130 from the keyboard), 141 where nobody read the output to its end.
    """
    with standard_streams(), stoppable():
        _run()


def _run() -> None:
    configure_log()
    try:
        check_names()
        for sentence in LEFT_OUT:
            notice(sentence)
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        usage = StringIO()
        error.show(usage)
        click.echo(printable_lines(without_credentials(usage.getvalue())), err=True, nl=False)
        sys.exit(2)
    except DynstError as error:
        _end(error, f"{error}", 1 if is_full(error) else 2)
    except RefusedError as error:
        _end(error, f"{error}", 3)
    except RunError as error:
        _end(error, f"{error}", 1)
    except (KeyboardInterrupt, click.Abort) as error:
        _end(error, stop_reason(error), exit_code(error))
    except Exception as error:
        _end_unexpected(error)


def _end_unexpected(error: Exception) -> None:
    """A signal or a disk that a library failed of is named; a fault of ours shows where it is."""
    if is_stop(error):
        _end(error, stop_reason(error), exit_code(error))
    known = of_the_disk(error) if isinstance(error, OSError) else None
    refused = isinstance(known, RefusedError)
    sentence = str(known) if refused else sentence_of(error)
    if sentence is not None:
        logger.debug("where it came from", exc_info=error)
        _end(error, sentence, 3 if refused else 1)
    click.echo(printable_lines(without_credentials(format_exc())), err=True, nl=False)
    sys.exit(1)


def _end(error: BaseException, sentence: str, code: int) -> None:
    """Say what happened and what was noted on the way.

    Click hides a Ctrl-C behind an error of its own.
    """
    notes = [note for known in (error, error.__cause__) for note in getattr(known, "__notes__", ())]
    for line in (sentence, *notes):
        click.echo(f"dynst: {_shown(line)}", err=True)
    sys.exit(code)


def _shown(text: str) -> str:
    """Without credentials, and on one line whatever a name in it holds."""
    return printable(without_credentials(text))


if __name__ == "__main__":
    run_as_process(main)
