"""What a store holds, in words."""

import numpy as np

from dynst.data.store import SensorStore

__all__ = ["describe_store"]


def describe_store(store: SensorStore) -> dict[str, str]:
    """Facts about the store in reading order, name to sentence."""
    manifest, readings = store.manifest, store.readings
    gaps = np.flatnonzero(np.diff(readings.time) != manifest.step_seconds)
    end = readings.time[-1].astype("datetime64[s]")
    silent = [
        name for name, seen in zip(store.sensors.ids, np.atleast_1d(readings.observed.any(axis=(0, 2))), strict=True) if not seen
    ]
    facts = {
        "name": manifest.name,
        "size": f"{manifest.num_sensors} sensors × {manifest.num_steps} steps × {len(manifest.channels)} channels",
        "time": f"{manifest.start} to {str(end).replace('T', ' ')}, a step every {manifest.step_seconds} s, {len(gaps)} gaps",
        "positions": {"lonlat": "longitude and latitude", "plane": "x and y", "none": "unknown"}[manifest.positions],
        "graph": f"{manifest.num_edges} edges" if manifest.num_edges else "none",
    }
    for index, channel in enumerate(manifest.channels):
        values, seen = readings.values[..., index], readings.observed[..., index]
        known = values[seen]
        spread = (
            f"{known.min():.4g} to {known.max():.4g}, mean {known.mean(dtype=np.float64):.4g}" if known.size else "nothing observed"
        )
        facts[channel.name] = f"{spread} {channel.unit}".rstrip() + f"; {1 - seen.mean():.2%} missing"
    if silent:
        facts["never observed"] = ", ".join(silent)
    facts |= {"cost": f"{store.sensors.cost.sum():g} in all", "digest": manifest.digest}
    return facts | ({"attribution": manifest.attribution} if manifest.attribution else {})
