"""Canaries: what we use of PyTorch without a promise still does what we use it for."""

import torch

from dynst.compat import (
    bag_products,
    compiled_in_fixed_shapes,
    num_compiled,
    tree_leaves,
    tree_map,
)


def test_products_of_bags_are_the_sums_of_products_of_rows() -> None:
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(4, 5, generator=generator)
    right = torch.randn(6, 5, generator=generator)
    rows = torch.tensor([0, 0, 2, 3, 3, 3])
    columns = torch.tensor([1, 5, 0, 2, 3, 4])
    starts = torch.tensor([0, 2, 2, 3])  # row 1 has no entries
    found = bag_products(left, right, rows, columns, starts)
    torch.testing.assert_close(found, (left[rows] * right[columns]).sum(1))


def test_trees_are_nested_containers() -> None:
    tree = {"a": [torch.ones(1), 2], "b": (3,)}
    assert tree_map(lambda leaf: leaf * 2, tree) == {"a": [torch.full((1,), 2.0), 4], "b": (6,)}
    assert len(tree_leaves(tree)) == 3


def test_a_module_is_compiled_for_any_number_of_shapes_and_keeps_its_names() -> None:
    module = torch.nn.Linear(2, 1)
    names, before = list(module.state_dict()), num_compiled()
    compiled = compiled_in_fixed_shapes(module, "eager")
    for rows in range(2, 14):  # PyTorch's own limit is eight
        values = torch.randn(rows, 2, generator=torch.Generator().manual_seed(rows))
        for _ in range(2):
            assert torch.equal(compiled(values), module(values))
    assert num_compiled() - before == 12
    assert list(module.state_dict()) == names
