"""The sensor graph as an edge list, sparse at every size."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from scipy.spatial import cKDTree
from torch import Tensor

from dynst.errors import DataError

__all__ = ["EARTH_RADIUS_METRES", "Edges", "nearest_neighbour_edges", "unit_sphere"]

EARTH_RADIUS_METRES = 6_371_000.0


@dataclass(frozen=True)
class Edges:
    """Directed, weighted edges between sensors.

    Args:
        source: ``[E]`` int64, the row of the sensor that an edge leaves.
        target: ``[E]`` int64, the row of the sensor that it reaches.
        weight: ``[E]`` float32 ≥ 0, a proximity (larger is closer), not a distance.
    """

    source: np.ndarray  # [E] int64
    target: np.ndarray  # [E] int64
    weight: np.ndarray  # [E] float32

    def __len__(self) -> int:
        return len(self.source)

    @cached_property
    def lists(self) -> dict[tuple[int, int], tuple[Tensor, Tensor]]:
        """Neighbour lists that were made of these edges, by size of the network and width: a large
        network's take half a minute, and several ask for them.
        """
        return {}

    def backward(self) -> "Edges":
        """Every edge turned round."""
        return Edges(self.target, self.source, self.weight)

    def restricted(self, sensors: np.ndarray) -> "Edges":
        """Those between ``sensors [M]`` int64 (ascending), whose numbers are then 0 to M − 1."""
        if not len(sensors):
            return Edges.none()
        places = [np.searchsorted(sensors, ends) for ends in (self.source, self.target)]
        places = [place.clip(max=len(sensors) - 1) for place in places]
        both = (sensors[places[0]] == self.source) & (sensors[places[1]] == self.target)
        return Edges(places[0][both], places[1][both], self.weight[both])

    @classmethod
    def none(cls) -> "Edges":
        """A graph without an edge."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))

    def check(self, num_sensors: int) -> None:
        """Refuse edges that do not fit a network.

        Args:
            num_sensors: of the network.

        Raises:
            DataError: an edge leaves the network, or a weight is no finite number ≥ 0.
        """
        for name, ends in (("source", self.source), ("target", self.target)):
            if len(ends) and (ends.min() < 0 or ends.max() >= num_sensors):
                raise DataError(
                    f"edges: '{name}' must lie in 0..{num_sensors - 1}, but reaches from "
                    f"{ends.min()} to {ends.max()}; number the sensors in the order of the readings"
                )
        wrong = np.flatnonzero(~np.isfinite(self.weight) | (self.weight < 0))
        if wrong.size:
            first = wrong[0]
            raise DataError(
                f"edges: every weight must be a finite number of at least 0, but {wrong.size} are "
                f"not, the first {self.weight[first]:g} from sensor {self.source[first]} to "
                f"{self.target[first]}; remove them"
            )

    def to_table(self) -> pa.Table:
        """A row for each edge, as a store keeps them."""
        return pa.table(
            {
                "source": pa.array(self.source, pa.int32()),
                "target": pa.array(self.target, pa.int32()),
                "weight": pa.array(self.weight, pa.float32()),
            }
        )

    @classmethod
    def from_table(cls, table: pa.Table) -> "Edges":
        """What ``to_table`` gave.

        Args:
            table: with the columns source, target and weight.
        """
        return cls(
            table["source"].to_numpy().astype(np.int64),
            table["target"].to_numpy().astype(np.int64),
            table["weight"].to_numpy(),
        )


def unit_sphere(lonlat: np.ndarray) -> np.ndarray:
    """Longitude and latitude in degrees ``[S, 2]`` as points on the unit sphere ``[S, 3]``."""
    lon, lat = np.deg2rad(lonlat).T
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


def nearest_neighbour_edges(positions: np.ndarray, *, lonlat: bool, neighbours: int = 8) -> Edges:
    """Join every sensor to its nearest ones, weighted by a Gaussian kernel of the distance.

    The kernel's width is the median distance over all neighbours taken, so weights do not depend on
    units. Distances are chords of the sphere for longitude and latitude (Shuman et al. 2013 for the
    kernel).
    """
    points = unit_sphere(positions) if lonlat else positions
    count = min(neighbours, len(points) - 1)
    if count < 1:
        return Edges.none()
    distance, index = cKDTree(points).query(points, k=count + 1)
    rows = np.repeat(np.arange(len(points)), count + 1)
    others = index.ravel() != rows
    source, target, distance = index.ravel()[others], rows[others], distance.ravel()[others]
    width = float(np.median(distance)) or 1.0
    return Edges(
        source.astype(np.int64), target, np.exp(-((distance / width) ** 2)).astype(np.float32)
    )
