"""From a user's file to a sensor store, and a report of what was understood."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dynst.data.clock import step_text
from dynst.data.edges import Edges, nearest_neighbour_edges
from dynst.data.importers.by_flags import said_by_flags
from dynst.data.importers.columns.header_units import with_units
from dynst.data.importers.fill_values import FillValues
from dynst.data.importers.formats import ReadOptions, Source, find_reader
from dynst.data.importers.graphs.graph_files import WeightKind, read_graph
from dynst.data.importers.names import counted
from dynst.data.importers.places.attributes import read_attributes
from dynst.data.importers.places.positions import read_positions
from dynst.data.importers.report import Finding, ImportReport, assumed, known
from dynst.data.importers.resample import resampled
from dynst.data.importers.sizes.admission import refuse_unsafe
from dynst.data.importers.sizes.store_size import fitting
from dynst.data.importers.source import Block, only_channels
from dynst.data.importers.text_marks import refuse_absent_marks
from dynst.data.importers.unused_flags import refuse_unused
from dynst.data.manifest import Channel, Question
from dynst.data.sensor_table import Sensors
from dynst.data.time_axis import TimeAxis
from dynst.data.writer import Origin, StoreWriter
from dynst.errors import ConfigError, DataError, DynstError, in_one_line
from dynst.storage.room import is_full

__all__ = ["GraphOptions", "ImportReport", "import_store"]


SETTLED = "none"  # in place of a value that means missing


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


def import_store(
    path: Path | str,
    store: Path | str,
    *,
    kind: str | None = None,
    name: str = "",
    missing: tuple[float | str, ...] = (),
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
        missing: values that mean missing, numbers or texts such as "M"; "none" says that no other
            value does, so that none is asked about.
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
    marks = tuple(mark for mark in missing if isinstance(mark, str) and mark != SETTLED)
    numbers = tuple(mark for mark in missing if not isinstance(mark, str))
    graph = graph or GraphOptions()
    options = replace(
        options or ReadOptions(),
        missing=marks,
        markers=numbers,
        applied=set(),
        weights=graph.weights,
        own_graph=graph.graph is None,
        own_positions=graph.positions is None,
    )
    refuse_unsafe(path)
    reader = find_reader(path, kind, options)
    try:
        source = _named(only_channels(reader.read(path, options), options), options)
        refuse_absent_marks(path, marks, options.encoding)
        source = resampled(source, options)
        return _copy(source, path, store, name, options, graph, asked=SETTLED not in missing)
    except DynstError as error:
        text, files = str(error), (path, graph.graph, graph.positions, graph.sensors)
        if any(file and str(file) in text for file in files):
            raise
        raise _plain(error)(f"{path}: {text}") from error
    except OSError as error:
        named = Path(error.filename or path).resolve()
        if named.is_relative_to(path.resolve()) and not is_full(error):
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
        if isinstance(error, MemoryError) or is_full(error):
            raise
        reason = " ".join((str(error).splitlines() or [type(error).__name__])[0].split())
        raise DataError(
            f"{path} cannot be read as {reader.KIND} ({reason}); mend the file, or force another "
            f"form with --kind"
        ) from error


def _plain(error: DynstError) -> type[DynstError]:
    """The kind of an error whose own class may be made from more than a sentence."""
    return ConfigError if isinstance(error, ConfigError) else DataError


def _copy(
    source: Source,
    path: Path,
    store: Path,
    name: str,
    options: ReadOptions,
    graph: GraphOptions,
    *,
    asked: bool,
) -> ImportReport:
    source, placed = _with_positions(source, graph)
    edges, joined = _edges(source, graph, options)
    suspects = FillValues([channel.name for channel in source.channels], options.markers)
    if source.aggregated:
        source.observers.append(suspects.watch)
    origin = Origin(
        name=name or path.name.split(".")[0],
        source=path.name,
        positions=source.geometry,
        grid=source.grid,
        clock=source.clock,
        step=None if options.resample is None else int(options.resample.total_seconds()),
        missing=() if source.aggregated else options.markers,  # else they are left out already
    )
    sensors = Sensors(source.ids, source.positions)
    described: tuple[Finding, ...] = ()
    if graph.sensors is not None:
        sensors, described = read_attributes(graph.sensors, sensors)
    with StoreWriter(store, origin, source.channels, sensors, edges) as writer:
        for time, values in _checked(source, fitting(source, store, path)):
            writer.append(time, values)
            if not source.aggregated:
                suspects.watch(values)
            suspects.watch_changes(values)
        refuse_unused(source.kind, [*options.unused(), *_unused(source, graph)])
        writer.questions = suspects.questions() if asked else ()
        writer.declared = options.markers
        if source.aggregated:
            _refuse_mixed(writer.questions)
    findings = (
        *source.findings,
        *said_by_flags(options),
        *placed,
        *joined,
        *described,
        *source.late_findings(),
        *_of_times(writer.axis),
        *suspects.findings(),
    )
    return ImportReport(source.kind, findings, writer.questions)


def _refuse_mixed(questions: tuple[Question, ...]) -> None:
    """A value in question cannot be separated any more from what it was resampled with."""
    if questions:
        raise DataError(
            f"{questions[0].text}, and resampling would mix it with readings; say --missing "
            f"{questions[0].value_text} if it means missing, or --missing none if all are readings"
        )


def _of_times(axis: TimeAxis | None) -> tuple[Finding, ...]:
    """What the whole of the times showed."""
    if axis is None:
        return ()
    found = [known(f"a step is {step_text(axis.step, axis.clock.unit)}")]
    if axis.clock.timed and axis.clock.has_datetimes and axis.clock.zone is None:
        found.append(assumed("times are those of the file's own clock, zone unknown", "--zone"))
    if axis.odd:
        found.append(
            assumed(
                f"{axis.odd} steps are no multiple of {step_text(axis.step, axis.clock.unit)}, and "
                f"no window crosses them",
                "--resample",
            )
        )
    return tuple(found)


def _named(source: Source, options: ReadOptions) -> Source:
    """The source with the names and units that the user gives its channels."""
    channels = with_units(source.channels)
    if options.channel_name is not None:
        if len(channels) > 1:
            raise DataError(
                f"--channel-name names the only channel, but there are {len(channels)}: "
                f"{', '.join(channel.name for channel in channels)}; leave it out"
            )
        options.apply("channel_name")
        channels = [Channel(name=options.channel_name, unit=channels[0].unit)]
    if options.units:
        if len(options.units) != len(channels):
            raise DataError(
                f"--unit must be given for each of the {len(channels)} channels "
                f"({', '.join(channel.name for channel in channels)}), but was given "
                f"{len(options.units)} times"
            )
        options.apply("units")
        channels = [
            Channel(name=channel.name, unit=unit)
            for channel, unit in zip(channels, options.units, strict=True)
        ]
    return replace(source, channels=tuple(channels))


def _unused(source: Source, graph: GraphOptions) -> list[str]:
    """Flags of the graph that had no effect."""
    built = graph.graph is None and source.edges is None and source.positions is not None
    return ["--neighbours"] if graph.neighbours != GraphOptions().neighbours and not built else []


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


def _with_positions(source: Source, options: GraphOptions) -> tuple[Source, tuple[Finding, ...]]:
    if options.positions is None:
        return source, ()
    positions, geometry, findings = read_positions(options.positions, source.ids)
    return replace(source, positions=positions, geometry=geometry), findings


def _edges(
    source: Source, options: GraphOptions, read: ReadOptions
) -> tuple[Edges, tuple[Finding, ...]]:
    if options.graph is not None:
        read.apply("weights")
        graph = read_graph(options.graph, source.ids, options.weights)
        return graph.edges, graph.findings
    if source.edges is not None:
        return source.edges, ()
    if source.positions is None or options.neighbours == 0:
        return Edges.none(), (
            assumed(
                "no graph: sensors are related by what the model learns alone",
                "name one with --graph or --positions",
            ),
        )
    edges = nearest_neighbour_edges(
        source.positions, lonlat=source.geometry == "lonlat", neighbours=options.neighbours
    )
    nearest = min(options.neighbours, len(source.ids) - 1)
    return edges, (
        assumed(
            f"graph made from positions: each sensor and its "
            f"{counted(nearest, 'nearest neighbour')}, {counted(len(edges), 'edge')}",
            "--neighbours, or --graph",
        ),
    )
