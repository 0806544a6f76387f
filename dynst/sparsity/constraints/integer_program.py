"""The best choice of sensors under all constraints at once: an integer program, solved by HiGHS."""

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csr_array, hstack, identity

from dynst.errors import ConfigError
from dynst.sparsity.constraints.quiet_solver import quiet_stdout
from dynst.sparsity.constraints.spec import ConstraintSpec

__all__ = ["Program", "Swap", "objective"]

# importances nearer to each other than a millionth of their range count as equal in a sum
SCALE = 1e6
NODES = 20_000
EXACT_UNITS = 300  # above, a choice will do whose importance is this near to the best
RELATIVE_GAP = 1e-4


@dataclass(frozen=True)
class Swap:
    """Stay near a present choice: at most ``num`` of its sensors may go."""

    active: np.ndarray  # [U] bool
    num: int


@dataclass
class Program:
    """Maximise the worth of units x, and during the ramp also of a final choice y ⊆ x, which keeps
    the end within reach.
    """

    demands: ConstraintSpec
    within: np.ndarray  # [U] bool: units that may be chosen
    limit: float  # of the weight of x
    exact: bool
    last: bool  # x must itself be a final choice; otherwise it must hold one
    swap: Swap | None = None
    _rows: list[LinearConstraint] = field(default_factory=list)

    def solve(self, objective: np.ndarray) -> np.ndarray | None:
        """The chosen units ``[U]`` bool, or None where no choice is possible.

        Raises:
            ConfigError: neither was settled within the limit of search nodes.
        """
        blocks = 1 if self.last else 2
        self._rows = []
        self._add_final(0 if self.last else 1)
        if not self.last:
            self._add_nesting()
        self._add_limit(0, self.limit, self.exact)
        if self.swap is not None:
            leaving = np.where(self.swap.active, self.demands.size, 0)
            self._add(_row(leaving), 0, leaving.sum() - self.swap.num, np.inf)
        upper = self.within & ~self.demands.excluded
        with quiet_stdout():
            found = milp(
                -np.tile(objective, blocks),
                integrality=np.ones(blocks * len(objective)),
                bounds=Bounds(np.tile(self.demands.pinned & upper, blocks), np.tile(upper, blocks)),
                constraints=self._rows,
                options={
                    "node_limit": NODES,
                    "mip_rel_gap": 0 if len(objective) <= EXACT_UNITS else RELATIVE_GAP,
                },
            )
        if found.x is None and found.status != INFEASIBLE:
            raise ConfigError(
                f"the best choice of sensors was not found among {NODES} partial choices "
                f"({found.message}); lower sparsity.min_distance, or put fewer sensors into groups"
            )
        return None if found.x is None else found.x[: len(objective)] > 0.5

    def _add_final(self, block: int) -> None:
        demands = self.demands
        self._add_limit(block, demands.limit, demands.exact)
        self._add(_row(demands.size), block, 1, np.inf)
        if len(demands.too_close):
            self._add(_pair_rows(demands.too_close, len(demands.size)), block, -np.inf, 1)

    def _add_nesting(self) -> None:
        one = identity(len(self.demands.size), format="csr")
        self._rows.append(LinearConstraint(hstack([one, -one], format="csr"), 0, np.inf))

    def _add_limit(self, block: int, limit: float, exact: bool) -> None:
        self._add(_row(self.demands.weight), block, limit if exact else -np.inf, limit)

    def _add(self, rows: csr_array, block: int, low: float, high: float) -> None:
        """Rows over x (block 0) or y (block 1)."""
        empty = csr_array(rows.shape)
        both = [rows] if self.last else [rows, empty] if block == 0 else [empty, rows]
        self._rows.append(LinearConstraint(hstack(both, format="csr"), low, high))


INFEASIBLE = 2  # scipy's status


def objective(
    demands: ConstraintSpec, importance: np.ndarray, within: np.ndarray, active: np.ndarray
) -> np.ndarray:
    """What each unit adds to a choice, above 0 so that no place stays empty.

    Ties go to sensors that are on, then by index.

    Where a number must be met, importances count from the least one on. With a budget that would
    favour cheap sensors, so they count from 0, and those below it differ by their rank alone.
    """
    among = importance[within[demands.unit]]
    low = among.min() if demands.exact else 0.0
    span = float(among.max()) - low
    share = np.maximum(importance - low, 0) / span if span > 0 else np.zeros_like(importance)
    gain, total = (
        np.bincount(demands.unit, values, minlength=len(demands.size))
        for values in (share, importance)
    )
    order = np.lexsort((np.arange(len(total)), ~active, -total))
    rank = np.empty(len(total))
    rank[order] = np.arange(len(total), 0, -1) / len(total)
    value: np.ndarray = np.minimum(gain, demands.size) * SCALE + rank
    return value


def _row(values: np.ndarray) -> csr_array:
    return csr_array(values[None].astype(float))


def _pair_rows(pairs: np.ndarray, width: int) -> csr_array:
    rows = np.repeat(np.arange(len(pairs)), 2)
    return coo_array(
        (np.ones(pairs.size), (rows, pairs.ravel())), shape=(len(pairs), width)
    ).tocsr()
