"""Cuts of a network: every location once, equal sizes, near ones together, and a halo of all that
are listened to.
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from dynst.data.edges import nearest_neighbour_edges
from dynst.data.neighbor_lists import neighbour_lists
from dynst.data.partition import Subgraph, cut_into_subgraphs

S, WIDTH = 203, 5


def lists(points: np.ndarray) -> Tensor:
    return neighbour_lists(
        nearest_neighbour_edges(points, lonlat=False, neighbours=4), len(points), WIDTH
    )[0]


def places() -> np.ndarray:
    return np.random.default_rng(0).random((S, 2))


@pytest.fixture(params=[True, False], ids=["positions", "graph"])
def known(request: pytest.FixtureRequest) -> np.ndarray | None:
    return places() if request.param else None


@pytest.mark.parametrize("parts", [1, 2, 5, 8, S])
def test_every_location_is_in_one_part_and_sizes_are_equal(
    known: np.ndarray | None, parts: int
) -> None:
    cut = cut_into_subgraphs(lists(places()), known, parts, hops=1)
    assert torch.cat([part.locations for part in cut]).sort().values.tolist() == list(range(S))
    sizes = [len(part.locations) for part in cut]
    assert len(cut) == parts
    assert max(sizes) - min(sizes) <= 1


def test_the_halo_is_all_that_the_lists_name_hop_by_hop(known: np.ndarray | None) -> None:
    neighbours = lists(places())
    for hops in range(4):
        for part in cut_into_subgraphs(neighbours, known, 6, hops):
            reached = set(part.locations.tolist())
            for _ in range(hops):
                reached |= {
                    other for one in reached for other in neighbours[one].tolist() if other >= 0
                }
            assert part.sensors.tolist() == sorted(reached)


def halo(cut: tuple[Subgraph, ...]) -> int:
    return sum(len(part.sensors) - len(part.locations) for part in cut)


def test_parts_lie_together(known: np.ndarray | None) -> None:
    """Numbers that say nothing would have a halo of nearly everybody."""
    neighbours = lists(places())
    order = torch.randperm(S, generator=torch.Generator().manual_seed(0))
    anyhow = cut_into_subgraphs(torch.full((S, 1), -1), order[:, None].double().numpy(), 4, hops=0)
    scattered = sum(
        len(torch.cat([part.locations, neighbours[part.locations].flatten()]).unique())
        - len(part.locations)
        for part in anyhow
    )
    assert halo(cut_into_subgraphs(neighbours, known, 4, hops=1)) < scattered / 3


def test_a_grid_is_cut_into_tiles() -> None:
    row, column = np.divmod(np.arange(64), 8)
    cut = cut_into_subgraphs(torch.full((64, 1), -1), np.stack([column, row], 1), 4, hops=1)
    tiles = {
        frozenset((row[part.locations] // 4 * 2 + column[part.locations] // 4).tolist())
        for part in cut
    }
    assert tiles == {frozenset([0]), frozenset([1]), frozenset([2]), frozenset([3])}


def test_lists_that_name_nobody_have_no_halo() -> None:
    (one, other) = cut_into_subgraphs(torch.full((7, 3), -1), None, 2, hops=2)
    assert torch.equal(one.sensors, one.locations)
    assert torch.equal(other.sensors, other.locations)


def test_halos_of_a_million_sensors_are_few_beside_all_rows() -> None:
    """Rows that a step of 64 parts sends, there and back, of two embeddings of 64: about 1 MB for
    each worker, where the gradients of all rows are 512 MB.
    """
    side, around = 1_000, torch.tensor([[-1, 0], [1, 0], [0, -1], [0, 1]])
    places = torch.cartesian_prod(torch.arange(side), torch.arange(side))
    near = places[:, None] + around  # [S, 4, 2]
    inside = ((near >= 0) & (near < side)).all(-1)
    lists = torch.where(inside, near[..., 0] * side + near[..., 1], -1)
    parts = cut_into_subgraphs(lists, places.double().numpy(), 64, hops=2)
    row = 2 * 64 * 4
    sent = [2 * row * (len(part.sensors) - len(part.locations)) for part in parts]
    assert 0.4e6 < max(sent) < 1.2e6
    assert side**2 * row == 512_000_000
    assert sum(len(part.locations) for part in parts) == side**2
