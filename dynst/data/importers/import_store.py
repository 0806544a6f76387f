"""From a user's file to a sensor store, and a report of what was understood."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from dynst.data.edges import Edges, nearest_neighbour_edges
from dynst.data.importers.attributes import read_attributes
from dynst.data.importers.formats import ReadOptions, Source, find_reader
from dynst.data.importers.graph_files import WeightKind, read_graph
from dynst.data.importers.positions import read_positions
from dynst.data.importers.source import Block, only_channels
from dynst.data.sensor_table import Sensors
from dynst.data.writer import Origin, StoreWriter
from dynst.errors import DataError, DynstError, in_one_line

__all__ = ["GraphOptions", "ImportReport", "import_store"]

MARKERS = (0.0, -1.0, -99.0, -999.0, -9999.0, 9999.0, 255.0, 65535.0)
LIKELY_SHARE = 0.005
SAMPLED_VALUES = 1_000_000


@dataclass(frozen=True)
class GraphOptions:
    """Where edges, positions and attributes come from if the source has none, or others are
    wanted.
    """

    graph: Path | None = None
    weights: WeightKind = "auto"
    positions: Path | None = None
    neighbours: int = 8
    sensors: Path | None = None  # costs, groups and marks


@dataclass(frozen=True)
class ImportReport:
    """What was understood, for the user to check."""

    kind: str
    notes: tuple[str, ...]


@dataclass
class _Suspects:
    """Counts values that often mean missing, channel by channel, while the readings stream by."""

    channels: Sequence[str]
    observed: np.ndarray = field(init=False)
    counts: np.ndarray = field(init=False)
    low: np.ndarray = field(init=False)
    high: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        size = len(self.channels)
        self.observed, self.counts = np.zeros(size), np.zeros((len(MARKERS), size))
        self.low, self.high = np.full(size, np.inf), np.full(size, -np.inf)

    def watch(self, values: np.ndarray) -> None:
        """``values [N, S, C]``, large blocks by a sample of their steps.

        The range is taken without the markers.
        """
        values = values[:: max(1, values.size // SAMPLED_VALUES)]
        finite = np.isfinite(values)
        self.observed += finite.sum((0, 1))
        usual = finite.copy()
        for row, marker in enumerate(MARKERS):
            hits = values == marker
            self.counts[row] += hits.sum((0, 1))
            usual &= ~hits
        self.low = np.minimum(self.low, np.where(usual, values, np.inf).min((0, 1)))
        self.high = np.maximum(self.high, np.where(usual, values, -np.inf).max((0, 1)))

    def notes(self, declared: tuple[float, ...]) -> list[str]:
        """Frequent zeros, and other markers that lie at the edge of the range.

        Nothing is decided here.
        """
        found = []
        for row, marker in enumerate(MARKERS):
            share = self.counts[row] / np.maximum(self.observed, 1)
            outside = (marker <= self.low) | (marker >= self.high)
            for index in np.flatnonzero(
                (share >= LIKELY_SHARE) & outside & (marker not in declared)
            ).tolist():
                name, value = self.channels[index], f"{marker:g}"
                found.append(
                    f"{share[index]:.1%} of '{name}' is exactly {value}; if that means missing, "
                    f"import again with --missing {value}"
                )
        return found


def import_store(
    path: Path | str,
    store: Path | str,
    *,
    kind: str | None = None,
    name: str = "",
    missing: tuple[float, ...] = (),
    options: ReadOptions | None = None,
    graph: GraphOptions | None = None,
) -> ImportReport:
    """Turn a file or folder of any known form into a sensor store.

    NaN and the fill values that a file declares are missing; any other marker only where
    ``missing`` lists it.

    Args:
        path: the file or folder.
        store: the store's folder, which must not exist yet.
        kind: one of ``dynst.data.importers.formats.KINDS``; by default it is detected.
        name: of the network; by default the file's, up to its first dot.
        missing: values that mean missing.
        options: how times, variables and layouts are to be read.
        graph: where edges, positions and attributes come from.

    Returns:
        What was understood, to be checked by a person.

    Raises:
        DataError: the source is of no known form, damaged, or contradicts itself; nothing is left
            at ``store``.

    Example:
        >>> report = import_store(Path("counts.csv"), Path("store"))  # doctest: +SKIP
        >>> report.kind, report.notes  # doctest: +SKIP
    """
    path, store = Path(path), Path(store)
    if store.exists():
        raise DataError(f"{store} exists already; remove it or choose another path for the store")
    reader = find_reader(path, kind)
    try:
        options = options or ReadOptions()
        source = only_channels(reader.read(path, options), options.variables)
        return _copy(source, path, store, name, missing, graph or GraphOptions())
    except DynstError as error:
        text = str(error)
        raise error if str(path) in text else type(error)(f"{path}: {text}") from error
    except OSError as error:
        if Path(error.filename or path).resolve().is_relative_to(path.resolve()):
            raise DataError(
                f"{path} cannot be read ({error.strerror or in_one_line(error)}); check the file "
                f"and your permissions"
            ) from error
        raise DataError(
            f"{store} cannot be written ({error.strerror or in_one_line(error)}); choose another "
            f"place or make room"
        ) from error
    except (
        Exception
    ) as error:  # third-party parsers raise what they like; to the user it is one thing
        reason = " ".join((str(error).splitlines() or [type(error).__name__])[0].split())
        raise DataError(
            f"{path} cannot be read as {reader.KIND} ({reason}); mend the file, or force another "
            f"form with --kind"
        ) from error


def _copy(
    source: Source,
    path: Path,
    store: Path,
    name: str,
    missing: tuple[float, ...],
    options: GraphOptions,
) -> ImportReport:
    source, placed = _with_positions(source, options)
    edges, joined = _edges(source, options)
    suspects = _Suspects([channel.name for channel in source.channels])
    origin = Origin(
        name=name or path.name.split(".")[0],
        source=path.name,
        positions=source.geometry,
        grid=source.grid,
        timed=source.timed,
        missing=missing,
    )
    sensors = Sensors(source.ids, source.positions)
    if options.sensors is not None:
        sensors = read_attributes(options.sensors, sensors)
    with StoreWriter(store, origin, source.channels, sensors, edges) as writer:
        for time, values in _checked(source, source.blocks()):
            suspects.watch(values)
            writer.append(time, values)
    return ImportReport(source.kind, (*source.notes, *placed, *joined, *suspects.notes(missing)))


def _checked(source: Source, blocks: Iterator[Block]) -> Iterator[Block]:
    seen = np.zeros(len(source.ids), bool)
    for time, values in blocks:
        seen |= np.isfinite(values).any(axis=(0, 2))
        yield time, values
    if not seen.any():
        raise DataError(
            "not one reading was observed in the whole file; check which column or variable holds "
            "them"
        )


def _with_positions(source: Source, options: GraphOptions) -> tuple[Source, list[str]]:
    if options.positions is None:
        return source, []
    positions, geometry = read_positions(options.positions, source.ids)
    return replace(source, positions=positions, geometry=geometry), [
        f"positions from {options.positions.name}"
    ]


def _edges(source: Source, options: GraphOptions) -> tuple[Edges, list[str]]:
    if options.graph is not None:
        graph = read_graph(options.graph, source.ids, options.weights)
        return graph.edges, [f"edges from {options.graph.name}: {graph.note}"]
    if source.edges is not None:
        return source.edges, []
    if source.positions is None or options.neighbours == 0:
        return Edges.none(), [
            "no graph: sensors are related by what the model learns alone; name one with --graph "
            "or --positions"
        ]
    edges = nearest_neighbour_edges(
        source.positions, lonlat=source.geometry == "lonlat", neighbours=options.neighbours
    )
    return edges, [
        f"graph made from positions: the {options.neighbours} nearest neighbours of each sensor, "
        f"{len(edges)} edges"
    ]
