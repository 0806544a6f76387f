"""The STGCN form: ``vel.csv``, a header of sensor ids over one row a step without times, and
``adj.npz`` beside it.
"""

from dataclasses import replace
from pathlib import Path

from dynst.data.importers.formats.tables import open_table
from dynst.data.importers.formats.wide_table import wide_source
from dynst.data.importers.graphs.graph_files import own_graph
from dynst.data.importers.source import ReadOptions, Source

__all__ = ["KIND", "matches", "read"]

KIND = "stgcn"


def matches(path: Path, options: ReadOptions) -> bool:
    return _series(path).is_file() and _series(path).name == "vel.csv"


def read(path: Path, options: ReadOptions) -> Source:
    file = _series(path)
    source = wide_source(KIND, open_table(file, options), options)
    graph = own_graph(file.with_name("adj.npz"), source.ids, options)
    if graph is None:
        return source
    return replace(
        source,
        edges=graph.edges,
        findings=(*source.findings, *graph.findings),
    )


def _series(path: Path) -> Path:
    return path / "vel.csv" if path.is_dir() else path
