"""Options that several benchmarks have."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

from benchmarks.support.commands import QUICKSTART

__all__ = ["add_job", "add_settings", "parser_for"]


def parser_for(description: str | None) -> ArgumentParser:
    """Shows the docstring of a module as it is written."""
    return ArgumentParser(description=description, formatter_class=RawDescriptionHelpFormatter)


def add_job(parser: ArgumentParser) -> None:
    """``--job``, by default the quickstart, and ``--set`` for its settings."""
    parser.add_argument("--job", type=Path, default=QUICKSTART)
    add_settings(parser, "of the job")


def add_settings(parser: ArgumentParser, of: str) -> None:
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=of)
