"""What people see: lines and tables that show every text as it is, and progress on standard error,
drawn over in place only on a terminal.
"""

import os
import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from dynst_platform.text import printable

__all__ = ["Group", "Live", "Screen", "TaskID", "TextTable", "new_bars", "progress_screen", "under"]


CUT = "…"  # ends a cell that is cut off


class Screen(Console):
    """Nothing in a text is markup, an emoji's code, or a control character."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def show(
        self,
        text: str,
        *,
        label: str = "",
        style: str = "",
        label_style: str = "bold",
        above: bool = False,
        fold: bool = False,
    ) -> None:
        """One paragraph.

        Args:
            text: of whatever origin.
            label: what stands before it, in a style of its own.
            style: of the text.
            label_style: of the label.
            above: whether an empty line comes first.
            fold: whether it is broken at the width of the screen.
        """
        if above:
            self.print()
        self.print(plain(label, label_style) + plain(text, style), soft_wrap=not fold)

    def table(self, table: "TextTable", above: bool = False) -> None:
        """A table, and an empty line before it where there is one ``above``.

        On a screen that would cut its cells off, it is a paragraph for each row.
        """
        if above:
            self.print()
        with self.capture() as drawn:
            self.print(table)
        if drawn.get().count(CUT) == sum(text.count(CUT) for text in table.texts()):
            self.print(table)
            return
        for paragraph in table.paragraphs():
            self.print(paragraph, soft_wrap=True)


class TextTable(Table):
    """A table whose title, caption and cells are texts of whatever origin.

    The lines of a heading are given one by one.
    """

    def __init__(self, title: str = "", **options: Any) -> None:
        super().__init__(title=plain(title) if title else None, title_justify="left", **options)
        self._headings: list[tuple[str, ...]] = []
        self._texts: list[tuple[str, ...]] = []

    def caption_of(self, caption: str) -> None:
        self.caption = plain(caption)

    def column(self, *heading: str, **options: Any) -> None:
        """Adds a column."""
        self._headings.append(heading or ("",))
        self.add_column(Text("\n").join(map(plain, heading)), **options)

    def row(self, *cells: str, style: str = "") -> None:
        """Adds a row."""
        self._texts.append(tuple(map(printable, cells)))
        self.add_row(*map(plain, cells), style=style)

    def texts(self) -> Iterator[str]:
        """Of the title, the headings, the cells and the caption."""
        yield from (f"{self.title or ''}", f"{self.caption or ''}")
        for row in (*self._headings, *self._texts):
            yield from row

    def paragraphs(self) -> Iterator[Text]:
        """The title, each row as lines of a heading and a cell, and the caption."""
        if self.title:
            yield Text(f"{self.title}\n", style="bold")
        for texts, row in zip(self._texts, self.rows, strict=True):
            lines = [
                f"{' '.join(heading)}: {text}" if any(heading) else text
                for heading, text in zip(self._headings, texts, strict=False)
                if text
            ]
            yield Text("\n".join([*lines, ""]), style=row.style or "")
        if self.caption:
            yield Text(f"{self.caption}")


def plain(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style)


def under(text: str, table: TextTable) -> Group:
    """A table beneath a line, for a live display."""
    return Group(plain(text), table)


def progress_screen(quiet: bool = False) -> Screen:
    """Its ``is_terminal`` says whether bars can be drawn: not in a file, nor in a CI log that asks
    for colours, nor on a terminal that cannot move its cursor. Nothing is printed where
    ``quiet``.
    """
    watched = sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    return Screen(stderr=True, force_terminal=watched and not quiet, quiet=quiet)


def new_bars(screen: Screen, before: str, behind: str, *, time_left: bool = False) -> Progress:
    """Bars that are drawn on a terminal alone, with a template of text on either side."""
    return Progress(
        SpinnerColumn(),
        TextColumn(before, markup=False),
        BarColumn(bar_width=24),
        TextColumn(behind, markup=False),
        *([TimeRemainingColumn()] if time_left else []),
        console=screen,
        disable=not screen.is_terminal,
    )
