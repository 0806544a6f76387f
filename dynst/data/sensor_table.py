"""The table of sensors: who they are, where they stand, what they cost."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from dynst.errors import DataError

__all__ = ["Sensors"]


@dataclass(frozen=True)
class Sensors:
    """One row a sensor, in the order of the readings' sensor axis.

    Args:
        ids: ``[S]`` unique names.
        positions: ``[S, 2]``, longitude and latitude in degrees, or x and y of a plane in any one
            unit, which ``min_distance`` then has too; None where unknown.
        cost: ``[S]``, counted where a choice has a budget; by default 1 each.
        group: ``[S]``; sensors of one group are switched on and off together, "" is no group.
        pinned: ``[S]`` bool, sensors that every choice keeps; by default none.
        excluded: ``[S]`` bool, sensors that no choice reads; by default none.

    Raises:
        DataError: ids are not unique, a column has another length, or a position is not finite.

    Example:
        >>> Sensors(("north", "south"), cost=np.array([1.0, 2.5])).group
        ('', '')
    """

    ids: tuple[str, ...]
    positions: np.ndarray | None = None  # [S, 2]
    cost: np.ndarray = field(default_factory=lambda: np.empty(0))  # [S]
    group: tuple[str, ...] = ()
    pinned: np.ndarray = field(default_factory=lambda: np.empty(0, bool))  # [S]
    excluded: np.ndarray = field(default_factory=lambda: np.empty(0, bool))  # [S]

    def __post_init__(self) -> None:
        count = len(self.ids)
        defaults = {
            "cost": np.ones(count),
            "pinned": np.zeros(count, bool),
            "excluded": np.zeros(count, bool),
        }
        for name, default in defaults.items():
            if len(getattr(self, name)) == 0:
                object.__setattr__(self, name, default)
        if not self.group:
            object.__setattr__(self, "group", ("",) * count)
        self._check()

    def __len__(self) -> int:
        return len(self.ids)

    def _check(self) -> None:
        count = len(self.ids)
        if len(set(self.ids)) < count:
            first = {name: index for index, name in reversed(list(enumerate(self.ids)))}
            twice = next(name for index, name in enumerate(self.ids) if first[name] < index)
            raise DataError(
                f"sensor ids must be unique, but '{twice}' stands there more than once; rename "
                f"one of them"
            )
        for name in ("cost", "group", "pinned", "excluded"):
            if len(getattr(self, name)) != count:
                raise DataError(
                    f"sensors: '{name}' must have {count} values, one a sensor, but has "
                    f"{len(getattr(self, name))}"
                )
        if self.positions is None:
            return
        if self.positions.shape != (count, 2):
            raise DataError(
                f"sensor positions must have the shape ({count}, 2), but have "
                f"{self.positions.shape}"
            )
        lost = np.flatnonzero(~np.isfinite(self.positions).all(axis=1))
        if lost.size:
            raise DataError(
                f"sensor positions must be finite numbers, but {lost.size} of {count} are not, the "
                f"first at sensor '{self.ids[lost[0]]}' (row {lost[0]}); give its position, or "
                "leave all positions out"
            )

    def to_table(self) -> pa.Table:
        """A row for each sensor, as a store keeps them; unknown positions are NaN."""
        positions = np.full((len(self), 2), np.nan) if self.positions is None else self.positions
        return pa.table(
            {
                "id": pa.array(self.ids, pa.string()),
                "x": pa.array(positions[:, 0], pa.float64()),
                "y": pa.array(positions[:, 1], pa.float64()),
                "cost": pa.array(self.cost, pa.float64()),
                "group": pa.array(self.group, pa.string()),
                "pinned": pa.array(self.pinned, pa.bool_()),
                "excluded": pa.array(self.excluded, pa.bool_()),
            }
        )

    @classmethod
    def from_table(cls, table: pa.Table, *, has_positions: bool) -> "Sensors":
        """What ``to_table`` gave.

        Args:
            table: with the columns id, x, y, cost, group, pinned and excluded.
            has_positions: whether x and y are positions; else they are left out.
        """
        positions = (
            np.stack([table["x"].to_numpy(), table["y"].to_numpy()], axis=1)
            if has_positions
            else None
        )
        return cls(
            ids=tuple(table["id"].to_pylist()),
            positions=positions,
            cost=table["cost"].to_numpy(),
            group=tuple(table["group"].to_pylist()),
            pinned=table["pinned"].to_numpy(zero_copy_only=False),
            excluded=table["excluded"].to_numpy(zero_copy_only=False),
        )
