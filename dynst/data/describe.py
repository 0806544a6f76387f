"""What a store holds, in words: facts to check before anything is trained on it."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from dynst.data.manifest import Manifest
from dynst.data.store import SensorStore
from dynst.wording import counted

__all__ = ["describe_store"]

NAMES_SHOWN = 6
BLOCK_SENSORS = 512


def describe_store(store: SensorStore) -> dict[str, str]:
    """Facts in reading order, name to sentence; what is unremarkable is left out."""
    manifest = store.manifest
    facts = {
        "name": manifest.name,
        "size": f"{manifest.num_sensors} sensor{'s' * (manifest.num_sensors > 1)} × "
        f"{manifest.num_steps} steps × {counted(len(manifest.channels), 'channel')}",
        "time": _time(store),
        "positions": {"lonlat": "longitude and latitude", "plane": "x and y", "none": "unknown"}[
            manifest.positions
        ],
        "graph": _graph(store),
    }
    if manifest.grid is not None:
        facts["grid"] = (
            f"{manifest.grid.height} rows × {manifest.grid.width} columns, sensor = row × "
            f"{manifest.grid.width} + column"
        )
    if manifest.patching is not None:
        patches, grid = manifest.patching, manifest.patching.grid
        facts["grid"] = (
            f"{grid.height} rows × {grid.width} columns in patches of {patches.rows} × "
            f"{patches.columns} cells, "
            f"{len(patches.places)} of {patches.lattice.height * patches.lattice.width} with data"
        )
    facts |= _channels(store) | _oddities(store)
    facts |= _choices(store) | {"digest": manifest.digest}
    return facts | ({"attribution": manifest.attribution} if manifest.attribution else {})


def _choices(store: SensorStore) -> dict[str, str]:
    """What a choice of sensors has to respect."""
    sensors = store.sensors
    same = (sensors.cost == sensors.cost[0]).all()
    facts = {
        "cost": f"{sensors.cost.sum():g} in all" + (f", {sensors.cost[0]:g} each" if same else "")
    }
    for name in ("pinned", "excluded"):
        facts[name] = _listed(np.array(sensors.ids)[getattr(sensors, name)].tolist())
    facts["groups"] = _listed(sorted(set(sensors.group) - {""}))
    return {name: text for name, text in facts.items() if text}


def _time(store: SensorStore) -> str:
    manifest, time = store.manifest, store.readings.time
    if not manifest.timed:
        return (
            f"{manifest.num_steps} steps without timestamps; import with --start and --step to "
            f"give them times"
        )
    steps, clock = np.diff(time), manifest.clock
    gaps = np.flatnonzero(steps != manifest.step)
    text = (
        f"{manifest.start} to {clock.label(int(time[-1]))} ({clock.describe()}), a step every "
        f"{manifest.step_text}, "
    )
    if not len(gaps):
        return text + "no gap"
    return text + _gaps(steps, gaps, time, store.manifest)


def _gaps(steps: np.ndarray, gaps: np.ndarray, time: np.ndarray, manifest: Manifest) -> str:
    """How many steps are missing, and where the longest gap is."""
    longest = int(gaps[steps[gaps].argmax()])
    lost = int((-(-steps[gaps] // manifest.step) - 1).sum())
    most = int(-(-steps[longest] // manifest.step)) - 1
    after = f"after {manifest.clock.label(int(time[longest]))}"
    if len(gaps) == 1:
        return f"1 gap, {counted(lost, 'step')} missing, {after}"
    return (
        f"{counted(len(gaps), 'gap')}, {counted(lost, 'step')} missing, the longest gap "
        f"{counted(most, 'step')} {after}"
    )


def _graph(store: SensorStore) -> str:
    edges, count = store.edges, store.manifest.num_sensors
    if not len(edges):
        return "none"
    matrix = coo_matrix((np.ones(len(edges)), (edges.target, edges.source)), shape=(count, count))
    parts, label = connected_components(matrix, directed=False)
    alone = int((np.bincount(label) == 1).sum())
    asymmetric = "" if (abs(matrix - matrix.T) > 0).nnz == 0 else ", not symmetric"
    return (
        f"{counted(len(edges), 'edge')}{asymmetric}, {counted(parts, 'connected part')}"
        + f" ({counted(alone, 'sensor')} alone)" * bool(alone)
    )


def _channels(store: SensorStore) -> dict[str, str]:
    manifest, readings = store.manifest, store.readings
    markers = "".join(f", {marker:g}" for marker in manifest.missing)
    facts = {}
    for index, channel in enumerate(manifest.channels):
        known = readings.values[..., index][readings.observed[..., index]]
        share = 1 - known.size / (manifest.num_steps * manifest.num_sensors)
        spread = (
            f"{known.min():.4g} to {known.max():.4g}, mean {known.mean(dtype=np.float64):.4g}"
            if known.size
            else "nothing observed"
        )
        missing = f"{share:.2%} missing (NaN{markers})" if share else "none missing"
        asked = [
            question.value_text
            for question in manifest.questions
            if question.channel == channel.name
        ]
        missing += f", unless {' or '.join(asked)} means missing" if asked else ""
        facts[channel.name] = f"{spread} {channel.unit}".rstrip() + f"; {missing}"
    return facts


def _oddities(store: SensorStore) -> dict[str, str]:
    """Sensors that a user should look at twice."""
    silent, constant, prints = [], [], defaultdict(list)
    readings, ids = store.readings, store.sensors.ids
    for first in range(0, len(ids), BLOCK_SENSORS):
        values = np.array(readings.values[:, first : first + BLOCK_SENSORS])
        observed = readings.observed[:, first : first + BLOCK_SENSORS]
        low, high = (
            np.where(observed, values, np.inf).min((0, 2)),
            np.where(observed, values, -np.inf).max((0, 2)),
        )
        single = values.shape[2] == 1
        for offset in range(values.shape[1]):
            name = ids[first + offset]
            if low[offset] > high[offset]:
                silent.append(name)
                continue
            if low[offset] == high[offset] and single:
                constant.append(name)
            else:
                prints[values[:, offset].tobytes()].append(name)
    facts = {
        "never observed": _listed(silent),
        "constant": _listed(constant),
        "same readings": _groups(prints.values()),
    }
    if store.sensors.positions is not None:
        places: dict[Hashable, list[str]] = defaultdict(list)
        for name, place in zip(ids, store.sensors.positions, strict=True):
            places[tuple(place)].append(name)
        facts["same position"] = _groups(places.values())
    return {name: text for name, text in facts.items() if text}


def _groups(groups: Iterable[Sequence[str]]) -> str:
    return _listed([" = ".join(group[:NAMES_SHOWN]) for group in groups if len(group) > 1])


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more
