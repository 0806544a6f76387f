"""A made-up network of any size: a plume of fine dust that drifts and spreads over a town, with all
that real sensors bring.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.spatial import Delaunay

from dynst.data.edges import Edges
from dynst.data.manifest import Channel
from dynst.data.sensor_table import Sensors
from dynst.data.writer import Origin, StoreWriter
from dynst.errors import DataError

__all__ = ["Field", "write_synthetic_field"]

DAY, SIDE = 86_400, 50_000.0  # seconds, metres
MONDAY = 1_672_617_600  # 2023-01-02 00:00
RESOLUTION = 64  # of the simulated square; sensors between its cells are interpolated
CHANNEL = Channel(name="fine_dust", unit="µg/m³")
LAYOUT, WORLD, WEATHER, READING = range(
    4
)  # streams of random numbers that do not disturb one another


@dataclass(frozen=True)
class Field:
    """What is simulated; times are steps, lengths are shares of the side."""

    sources: int = 12
    drift: float = 0.01  # of the plume in one step
    spread: float = 0.02  # of the plume in one step
    lifetime: float = 24.0  # of the dust
    cycle: float = 0.5  # of the sources over the day, and of the background
    noise: float = 1.0  # µg/m³
    outages: float = 0.002  # chance of a sensor to fail in a step
    outage_length: float = 12.0


def write_synthetic_field(
    path: Path,
    num_sensors: int,
    num_steps: int,
    *,
    kind: Literal["graph", "grid"] = "graph",
    seed: int = 0,
    step_seconds: int = 3600,
    field: Field | None = None,
    block_steps: int | None = None,
) -> None:
    """Write a sensor store of a drifting, spreading field with sources, a daily cycle, noise and
    outages.

    A ``graph`` has random positions, joined to a planar graph; a ``grid`` has H × W cells, as near
    to a square as the number allows, each joined to its eight neighbours. The readings depend on
    ``seed`` alone, not on ``block_steps``, the number of steps that are in memory at once.

    Raises:
        DataError: there are fewer than four sensors, or something stands at ``path``.
    """
    if num_sensors < 4:
        raise DataError(f"a synthetic network must have at least 4 sensors, but got {num_sensors}")
    positions, edges = (_planar_graph if kind == "graph" else _grid)(
        num_sensors, _random(seed, LAYOUT)
    )
    sensors = Sensors(tuple(f"s{number}" for number in range(num_sensors)), positions)
    origin = Origin(
        f"synthetic-{kind}-{num_sensors}",
        source=f"dynst synthetic field, seed {seed}",
        positions="plane",
    )
    size = block_steps or max(1, 2**23 // num_sensors)
    rows = _readings(positions / SIDE, field or Field(), seed, DAY / step_seconds)
    with StoreWriter(path, origin, [CHANNEL], sensors, edges) as store:
        for first in range(0, num_steps, size):
            steps = np.arange(first, min(first + size, num_steps))
            store.append(
                MONDAY + step_seconds * steps, np.stack([next(rows) for _ in steps])[..., None]
            )


def _random(seed: int, stream: int, step: int = 0) -> np.random.Generator:
    return np.random.default_rng([seed, stream, step])


def _planar_graph(num_sensors: int, random: np.random.Generator) -> tuple[np.ndarray, Edges]:
    positions = random.uniform(0, SIDE, (num_sensors, 2))
    corners = Delaunay(positions).simplices
    pairs = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    return positions, _both_ways(
        np.unique(np.sort(pairs.astype(np.int64), axis=1), axis=0), positions
    )


def _grid(num_sensors: int, random: np.random.Generator) -> tuple[np.ndarray, Edges]:
    height = next(rows for rows in range(isqrt(num_sensors), 0, -1) if num_sensors % rows == 0)
    cells = np.arange(num_sensors).reshape(height, -1)
    positions = (
        np.stack([cells % cells.shape[1], cells // cells.shape[1]], axis=-1).reshape(-1, 2)
        * SIDE
        / max(cells.shape)
    )
    joined = [
        (cells[:, :-1], cells[:, 1:]),
        (cells[:-1], cells[1:]),
        (cells[:-1, :-1], cells[1:, 1:]),
        (cells[:-1, 1:], cells[1:, :-1]),
    ]
    return positions, _both_ways(
        np.concatenate([np.stack([a.ravel(), b.ravel()], 1) for a, b in joined]), positions
    )


def _both_ways(pairs: np.ndarray, positions: np.ndarray) -> Edges:
    """Weighted by a Gaussian kernel of the distance, as wide as the median edge is long."""
    distance = np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1)
    weight = np.exp(-((distance / np.median(distance)) ** 2)).astype(np.float32)
    return Edges(
        np.concatenate([pairs[:, 0], pairs[:, 1]]),
        np.concatenate([pairs[:, 1], pairs[:, 0]]),
        np.concatenate([weight, weight]),
    )


def _readings(
    places: np.ndarray, field: Field, seed: int, steps_per_day: float
) -> Iterator[np.ndarray]:
    """Step after step what the sensors at ``places [S, 2]`` show, ``[S]``, NaN where one is out."""
    random = _random(seed, WORLD)
    count = len(places)
    cells, shares = _interpolation(places)
    gain = np.exp(random.normal(0, 0.1, count)).astype(np.float32)
    out = np.zeros(count, bool)
    for step, dust in enumerate(_simulate(field, random, seed, steps_per_day)):
        chance = _random(seed, READING, step)
        clean = gain * (dust.ravel()[cells] * shares).sum(0)
        out = np.where(
            out,
            chance.random(count) > 1 / field.outage_length,
            chance.random(count) < field.outages,
        )
        noisy = clean + np.float32(field.noise) * chance.standard_normal(count, np.float32)
        yield np.where(out, np.float32(np.nan), noisy)


def _simulate(
    field: Field, random: np.random.Generator, seed: int, steps_per_day: float
) -> Iterator[np.ndarray]:
    """The dust on the square, ``[R, R]`` float32, whose edges meet: solved exactly, wave by
    wave.
    """
    waves = 2j * np.pi * np.fft.fftfreq(RESOLUTION, 1 / RESOLUTION)
    down, across = waves[:, None], waves[None, : RESOLUTION // 2 + 1]
    smooth = np.exp((down**2 + across**2).real * field.spread**2 / 2 - 1 / field.lifetime)
    where, phase = (
        random.uniform(0, 1, (field.sources, 2, 1, 1)),
        random.normal(0, 0.5, field.sources),
    )
    plumes = (
        np.exp((down**2 + across**2).real * 0.05**2 / 2 - where[:, 0] * down - where[:, 1] * across)
        * RESOLUTION**2
    )
    dust, step = (
        np.zeros(plumes.shape[1:], complex),
        -int(2 * field.lifetime),
    )  # the first steps fill the square, unseen
    wind, strength = random.normal(0, 1, 2), np.zeros(field.sources)
    while True:
        weather = _random(seed, WEATHER, step + 2**20)
        wind = 0.98 * wind + 0.2 * weather.standard_normal(2)
        strength = 0.9 * strength + 0.2 * weather.standard_normal(field.sources)
        hour = 2 * np.pi * step / steps_per_day
        rate = np.exp(strength) * (1 + field.cycle * np.sin(hour + phase))
        dust = (
            dust * smooth * np.exp(-field.drift * (wind[0] * down + wind[1] * across))
            + np.tensordot(rate, plumes, 1) * 0.05
        )
        if step >= 0:
            yield (
                np.fft.irfft2(dust, s=(RESOLUTION, RESOLUTION))
                + 10 * (1 + field.cycle * np.sin(hour))
            ).astype(np.float32)
        step += 1


def _interpolation(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The four cells around each place and their shares, ``[4, S]`` each."""
    low = np.floor(places * RESOLUTION).astype(np.int64)
    part = (places * RESOLUTION - low).T
    cells = [
        ((low[:, 0] + a) % RESOLUTION) * RESOLUTION + (low[:, 1] + b) % RESOLUTION
        for a in (0, 1)
        for b in (0, 1)
    ]
    shares = [np.abs(1 - a - part[0]) * np.abs(1 - b - part[1]) for a in (0, 1) for b in (0, 1)]
    return np.stack(cells), np.stack(shares).astype(np.float32)
