import numpy as np
import pytest
import torch

from dynst.data.edges import Edges, nearest_neighbour_edges
from dynst.data.neighbor_lists import neighbour_lists


def edges(*rows: tuple[int, int, float]) -> Edges:
    source, target, weight = zip(*rows, strict=True)
    return Edges(np.array(source), np.array(target), np.array(weight, np.float32))


def test_a_chain_by_hand() -> None:
    """0 – 1 – 2 – 3: own neighbours first, those that point here before the others.

    Then theirs, at half the product.
    """
    index, near = neighbour_lists(edges((0, 1, 4.0), (1, 2, 2.0), (2, 3, 4.0)), 5, 3)
    assert index.tolist() == [[1, 2, 3], [0, 2, 3], [1, 3, 0], [2, 1, 0], [-1, -1, -1]]
    assert near[0].tolist() == [1.0, 0.25, 0.125]
    assert near[2].tolist() == [0.5, 1.0, 0.25]
    assert near[4].tolist() == [0, 0, 0]


def test_edges_towards_a_sensor_stand_before_those_away_from_it() -> None:
    index, near = neighbour_lists(edges((1, 0, 0.2), (0, 2, 1.0), (3, 0, 0.4), (1, 0, 0.1)), 4, 3)
    assert index[0].tolist() == [3, 1, 2]
    np.testing.assert_allclose(near[0], [0.4, 0.2, 1.0])


def test_loops_and_edges_of_weight_0_join_nobody() -> None:
    index, _ = neighbour_lists(edges((0, 0, 1.0), (0, 1, 0.0), (1, 2, 1.0)), 3, 2)
    assert index.tolist() == [[-1, -1], [2, -1], [1, -1]]


@pytest.mark.parametrize("width", [4, 12, 30])
def test_lists_are_full_free_of_repeats_and_never_hold_oneself(width: int) -> None:
    graph = nearest_neighbour_edges(
        np.random.default_rng(0).random((400, 2)), lonlat=False, neighbours=6
    )
    index, near = neighbour_lists(graph, 400, width)
    assert (index >= 0).float().mean() > 0.97
    assert all(len(set(row) - {-1}) == sum(item >= 0 for item in row) for row in index.tolist())
    assert not (index == torch.arange(400)[:, None]).any()
    assert ((near > 0) == (index >= 0)).all()


def test_the_order_of_the_edges_does_not_matter() -> None:
    graph = nearest_neighbour_edges(np.random.default_rng(0).random((200, 2)), lonlat=False)
    order = np.random.default_rng(1).permutation(len(graph))
    shuffled = Edges(graph.source[order], graph.target[order], graph.weight[order])
    for one, other in zip(
        neighbour_lists(graph, 200, 16), neighbour_lists(shuffled, 200, 16), strict=True
    ):
        assert torch.equal(one, other)


def test_a_hub_listens_to_its_nearest_only() -> None:
    spokes = edges(*((number, 0, 1.0 / number) for number in range(1, 1000)))
    index, _ = neighbour_lists(spokes, 1000, 4)
    assert index[0].tolist() == [1, 2, 3, 4]


def test_no_edges_no_neighbours() -> None:
    assert (neighbour_lists(Edges.none(), 3, 2)[0] == -1).all()
