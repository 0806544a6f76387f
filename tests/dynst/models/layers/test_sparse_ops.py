import torch

from dynst.models.layers.sparse_ops import Bags, dots, weighted_sum

PATTERN = torch.tensor([[2, 0, -1], [-1, -1, -1], [1, 2, 0], [3, -1, 0]])
ENTRIES = [(0, 2), (0, 0), (2, 1), (2, 2), (2, 0), (3, 3), (3, 0)]
BAGS = Bags.of(PATTERN, 5)


def test_entries_are_known_by_row_and_by_column() -> None:
    assert list(zip(BAGS.rows.tolist(), BAGS.columns.tolist(), strict=True)) == ENTRIES
    assert BAGS.starts.tolist() == [0, 2, 2, 5, 7]
    assert BAGS.by_column.tolist() == [1, 4, 6, 2, 0, 3, 5]
    assert BAGS.column_starts.tolist() == [0, 3, 4, 6, 7, 7]


def test_a_weighted_sum_by_hand() -> None:
    weight = torch.arange(1.0, 8.0)
    out = weighted_sum(BAGS, weight, torch.eye(5))
    assert out.tolist() == [[2, 0, 1, 0, 0], [0, 0, 0, 0, 0], [5, 3, 4, 0, 0], [7, 0, 0, 6, 0]]


def test_both_are_their_own_dense_forms_in_value_and_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    weight, table, left = (
        torch.randn(*shape, generator=generator, requires_grad=True)
        for shape in ((7,), (5, 6), (4, 6))
    )
    rows, columns = (torch.tensor(side) for side in zip(*ENTRIES, strict=True))
    dense = torch.zeros(4, 5).index_put((rows, columns), weight)
    pairs = [
        (weighted_sum(BAGS, weight, table), dense @ table, (weight, table)),
        (dots(BAGS, left, table), (left @ table.T)[rows, columns], (left, table)),
    ]
    for sparse, full, inputs in pairs:
        torch.testing.assert_close(sparse, full)
        of_sparse, of_full = (
            torch.autograd.grad(out.square().sum(), inputs) for out in (sparse, full)
        )
        torch.testing.assert_close(of_sparse, of_full)


def test_lists_without_a_gap_need_no_count_and_give_the_same() -> None:
    """By hand: columns 2 0 | 1 2 | 3 0 of rows 0, 1, 2; column 4 is in no row."""
    pattern = torch.tensor([[2, 0], [1, 2], [3, 0]])
    full, counted = Bags.full(pattern, 5), Bags.of(pattern, 5)
    assert full.rows.tolist() == [0, 0, 1, 1, 2, 2]
    assert full.columns.tolist() == [2, 0, 1, 2, 3, 0]
    assert full.starts.tolist() == [0, 2, 4, 6]
    assert full.by_column.tolist() == [1, 5, 2, 0, 3, 4]
    assert full.rows_by_column.tolist() == [0, 2, 1, 0, 1, 2]
    assert full.column_starts.tolist() == [0, 2, 3, 5, 6, 6]
    assert all(torch.equal(part, getattr(counted, name)) for name, part in vars(full).items())
