"""The device that stands in for a GPU refuses what a GPU refuses, and takes what it takes."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest
import torch

from tests.on_stand_in import process_with_stand_in
from tests.stand_in_device import counted, stand_in

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def process() -> Iterator[ProcessPoolExecutor]:
    with process_with_stand_in() as found:
        yield found


def there(*shape: int) -> torch.Tensor:
    return torch.ones(shape).to(stand_in())


def added() -> object:
    return there(3) + torch.ones(3)


def multiplied() -> object:
    return torch.nn.Linear(3, 2)(there(1, 3))


def chosen_here() -> object:
    return torch.ones(3).index_select(0, torch.arange(2, device=stand_in()))


def put_from_here() -> object:
    values = there(3)
    values[torch.tensor([0, 2])] = torch.zeros(2)
    return values


def joined() -> object:
    return torch.cat([there(1), torch.ones(1)])


@pytest.mark.parametrize("mixed", [added, multiplied, chosen_here, put_from_here, joined])
def test_it_refuses_to_mix(process: ProcessPoolExecutor, mixed: Callable[[], object]) -> None:
    with pytest.raises(RuntimeError, match="expected all tensors to be on the same device"):
        process.submit(mixed).result()


def chosen_by_a_list() -> object:
    return there(3)[[0, 2]]


def test_it_refuses_an_index_that_would_have_to_be_copied(process: ProcessPoolExecutor) -> None:
    with pytest.raises(RuntimeError):
        process.submit(chosen_by_a_list).result()


def seen_by_numpy() -> object:
    return there(3).numpy()


def test_numpy_does_not_see_it(process: ProcessPoolExecutor) -> None:
    with pytest.raises(TypeError, match="can't convert stand_in:0 tensor to numpy"):
        process.submit(seen_by_numpy).result()


def taken() -> None:
    values = there(3)
    assert (values + torch.tensor(2.0)).device == stand_in()  # a number without a dimension
    assert values[torch.tensor([0, 2])].device == stand_in()  # rows by number
    values.copy_(torch.arange(3.0))
    assert values.cpu().tolist() == values.tolist() == [0.0, 1.0, 2.0]
    assert torch.arange(3, device=stand_in()).device == stand_in()
    assert float(values.sum()) == 3.0


def test_it_takes_numbers_rows_and_copies(process: ProcessPoolExecutor) -> None:
    process.submit(taken).result()


def derived() -> tuple[list[float], int]:
    weight = there(3).requires_grad_()
    with counted() as count:
        (weight * torch.arange(3.0).to(stand_in())).sum().backward()
    assert weight.grad is not None
    assert weight.grad.device == stand_in()
    return weight.grad.tolist(), count.operations


def test_it_derives_and_counts(process: ProcessPoolExecutor) -> None:
    gradient, operations = process.submit(derived).result()
    assert gradient == [0.0, 1.0, 2.0]
    assert operations > 3
