"""A self-contained page: headings, sentences, tables, figures and commands in one file.

It opens without a network.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

__all__ = ["Section", "write_html"]


@dataclass(frozen=True)
class Section:
    heading: str
    text: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    picture: bytes | None = None  # PNG
    commands: Sequence[str] = ()

    @property
    def picture_data(self) -> str:
        return "" if self.picture is None else b64encode(self.picture).decode("ascii")


def write_html(path: Path, title: str, sections: Sequence[Section]) -> None:
    environment = Environment(
        loader=PackageLoader("dynst_platform"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = _figure
    path.write_text(
        environment.get_template("report.html").render(title=title, sections=sections),
        encoding="utf-8",
    )


def _figure(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
