"""The table of sensors: who they are, where they stand, what they cost."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from dynst.data.content import table_digest
from dynst.errors import DataError

__all__ = ["DECIDED", "MARKS", "Sensors"]

MARKS = ("group", "pinned", "excluded")
DECIDED = ("cost", *MARKS)  # columns that no reading depends on


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
        DataError: ids are not unique, a column has another length, a position is not finite, or a
            cost is no finite number of at least 0.

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
        self._check_decisions()
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

    def _check_decisions(self) -> None:
        wrong = np.flatnonzero(~(np.isfinite(self.cost) & (self.cost >= 0)))
        if wrong.size:
            raise DataError(
                f"sensors: every cost must be a finite number of at least 0, but {wrong.size} of "
                f"{len(self)} are not, the first {self.cost[wrong[0]]:g} of sensor "
                f"'{self.ids[wrong[0]]}'; correct the costs"
            )
        for name in ("pinned", "excluded"):
            if getattr(self, name).dtype != bool:
                raise DataError(
                    f"sensors: '{name}' must be true or false for each sensor, but is of type "
                    f"{getattr(self, name).dtype}; correct it"
                )
        for name in ("ids", "group"):
            strangers = [value for value in getattr(self, name) if not isinstance(value, str)]
            if strangers:
                raise DataError(
                    f"sensors: '{name}' must be texts, but {strangers[0]!r} stands there; correct "
                    f"it"
                )

    def decisions_digest(self, *columns: str) -> str:
        """SHA-256 of costs, groups and marks, or of those ``columns`` of them."""
        return table_digest(self.decisions_table().select(columns or DECIDED))

    def decisions_table(self) -> pa.Table:
        """What was decided of each sensor, as a store keeps it beside the data."""
        return pa.table(
            {
                "id": pa.array(self.ids, pa.string()),
                "cost": pa.array(self.cost, pa.float64()),
                "group": pa.array(self.group, pa.string()),
                "pinned": pa.array(self.pinned, pa.bool_()),
                "excluded": pa.array(self.excluded, pa.bool_()),
            }
        )

    def to_table(self) -> pa.Table:
        """A row for each sensor, as a store keeps them; unknown positions are NaN."""
        positions = np.full((len(self), 2), np.nan) if self.positions is None else self.positions
        return pa.table(
            {
                "id": pa.array(self.ids, pa.string()),
                "x": pa.array(positions[:, 0], pa.float64()),
                "y": pa.array(positions[:, 1], pa.float64()),
            }
        )

    def whole_table(self) -> pa.Table:
        """Both, as stores up to version 2 kept them."""
        whole, decided = self.to_table(), self.decisions_table()
        for name in DECIDED:
            whole = whole.append_column(name, decided[name])
        return whole

    @classmethod
    def from_tables(
        cls, sensors: pa.Table, decisions: pa.Table, *, has_positions: bool
    ) -> "Sensors":
        """What ``to_table`` and ``decisions_table`` gave.

        Args:
            sensors: with the columns id, x and y.
            decisions: with the columns id, cost, group, pinned and excluded; of the same sensors in
                the same order.
            has_positions: whether x and y are positions; else they are left out.

        Raises:
            DataError: the two are of other sensors, or a value is not what it should be.
        """
        ids = sensors["id"].to_pylist()
        if decisions["id"].to_pylist() != ids:
            raise DataError(
                "the decisions of a store must be of its own sensors in their order, but are of "
                "others; replace them with dynst data sensors, or import the data again"
            )
        place = [sensors[name].to_numpy() for name in ("x", "y")] if has_positions else []
        return cls(
            ids=tuple(ids),
            positions=np.stack(place, axis=1) if place else None,
            cost=decisions["cost"].cast(pa.float64()).to_numpy(),
            group=tuple(decisions["group"].to_pylist()),
            pinned=decisions["pinned"].to_numpy(),
            excluded=decisions["excluded"].to_numpy(),
        )
