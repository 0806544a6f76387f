"""A self-contained page: headings, sentences, tables, figures and commands in one file.

It opens without a network.
"""

import shlex
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from dynst.storage.files import written_whole
from dynst.storage.scratch import scratch_folder
from dynst_platform.plots.figures import drawn
from dynst_platform.text import printable

__all__ = ["Section", "command_line", "picture_of", "write_html"]

NO_ROOM = "The picture was not drawn, since no space is left for temporary files."


@dataclass(frozen=True)
class Section:
    heading: str
    text: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    picture: bytes | str | None = None  # PNG, or a note why there is none
    commands: Sequence[str] = ()

    @property
    def picture_data(self) -> str:
        return b64encode(self.picture).decode("ascii") if isinstance(self.picture, bytes) else ""


def write_html(path: Path, title: str, sections: Sequence[Section]) -> None:
    environment = Environment(
        loader=PackageLoader("dynst_platform"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_one_line,
    )
    environment.filters["figure"] = _figure
    page = environment.get_template("report.html").render(title=title, sections=sections)
    with written_whole(path) as draft:
        draft.write_text(page, encoding="utf-8")


def picture_of(draw: Callable[[Path], None]) -> bytes | str:
    """What ``draw`` writes to a path, or a note."""
    with scratch_folder() as folder:
        path = Path(folder) / "picture.png"
        found = drawn(path, lambda: draw(path))
        if found == path:
            return found.read_bytes()
        return found.read_text(encoding="utf-8") if found.exists() else NO_ROOM


def command_line(*words: str) -> str:
    """Words as a shell takes them, whatever they hold."""
    return shlex.join(words)


def _one_line(value: Any) -> Any:
    return printable(value) if type(value) is str else value


def _figure(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
