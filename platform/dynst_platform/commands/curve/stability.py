"""What the searches of a curve that were run again have in common: tables for each sparsity."""

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from dynst.data.store import SensorStore
from dynst.experiment.supernet import RERUN
from dynst.selection.stability import Stability, stability

__all__ = ["StabilityTables", "stability_tables"]

FEWEST = 2  # runs that can be compared
MOST_PAIRED = 2_000  # sensors of which pairs are looked at


class StabilityTables(NamedTuple):
    """Of all seeds and runs together.

    Args:
        sensors: of each sparsity and sensor the share of the runs that keep it.
        pairs: of each sparsity two neighbours of which one goes, and in how many runs.
    """

    sensors: pd.DataFrame
    pairs: pd.DataFrame


def stability_tables(table: pd.DataFrame, store: SensorStore) -> StabilityTables | None:
    """From a curve's tidy rows; None where no search was run again."""
    runs = table[(table.choice == RERUN) & (table.stage == "as it is")]
    if len(runs) < FEWEST:
        return None
    paired = len(store.sensors) <= MOST_PAIRED
    similar = _neighbours(store) if paired else None
    kept = {share: runs.active[runs.sparsity == share] for share in sorted(set(runs.sparsity))}
    found = {
        share: stability([_mask(each, store) for each in names], similar, paired=paired)
        for share, names in kept.items()
        if len(names) >= FEWEST
    }
    return StabilityTables(_sensors(found, store), _pairs(found, store))


def _sensors(found: dict[float, Stability], store: SensorStore) -> pd.DataFrame:
    frames = [
        pd.DataFrame(
            {
                "sparsity": sparsity,
                "sensor": store.sensors.ids,
                "kept": each.kept.numpy(),
                "overlap": each.overlap,
                "overlap_over_chance": each.corrected,
            }
        )
        for sparsity, each in found.items()
    ]
    return pd.concat(frames, ignore_index=True)


def _pairs(found: dict[float, Stability], store: SensorStore) -> pd.DataFrame:
    columns = ["sparsity", "sensor", "other", "one_goes", "sensor_goes", "runs"]
    return pd.DataFrame(list(_pair_rows(found, store.sensors.ids)), columns=columns)


def _pair_rows(
    found: dict[float, Stability], ids: tuple[str, ...]
) -> Iterator[tuple[float, str, str, int, int, int]]:
    for sparsity, each in found.items():
        for pair in each.exchangeable:
            names = ids[pair.first], ids[pair.second]
            yield (sparsity, *names, pair.one_goes, pair.first_goes, pair.runs)


def _neighbours(store: SensorStore) -> Tensor | None:
    """Bool ``[S, S]``: sensors that an edge joins; None, without edges, is all."""
    size, edges = len(store.sensors), store.edges
    if not len(edges):
        return None
    joined = torch.zeros(size, size, dtype=torch.bool)
    joined[torch.from_numpy(edges.source), torch.from_numpy(edges.target)] = True
    return joined


def _mask(names: str, store: SensorStore) -> Tensor:
    kept = set(names.split("|"))
    return torch.tensor([name in kept for name in store.sensors.ids])
