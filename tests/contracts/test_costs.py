"""What does not depend on the machine must not grow unseen: products and operator calls of every
backbone.

The figures are those of the day they were written, for the versions in ``constraints.txt``. One
that falls is good news: write the new one down. One that rises needs a reason. Views count, though
they cost next to nothing: the heads of a readout lay windows side by side in a few more of them,
and save a copy of all weights for each window; values that all heads share are aggregated once, by
their mean weights, which is more calls and fewer products.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from dynst.data.windows import ForecastInputs
from dynst.models.forecaster import InputGatedForecaster, SparseForecaster
from tests.contracts.test_backbones import VARIANTS, S, compact, inputs, made

# Operator calls of a compact step (forward and backward), of a probe, and products of a dense
# forecast of the batch, in kFLOP.
KNOWN = {
    ("morph_graph", "all_pairs"): (519, 618, 309),
    ("morph_graph", "neighbour_lists"): (877, 1082, 236),
    ("stgcn", "all_pairs"): (669, 757, 382),
    ("stgcn", "neighbour_lists"): (949, 1082, 293),
    ("graph_wavenet", "all_pairs"): (2012, 2296, 7390),
    ("graph_wavenet", "neighbour_lists"): (3086, 3455, 3257),
    ("agcrn", "all_pairs"): (1801, 1859, 4755),
    ("agcrn", "neighbour_lists"): (2794, 3166, 4279),
    ("staeformer", "all_pairs"): (556, 740, 1992),
    ("mesh_graph_net", "neighbour_lists"): (1046, 1194, 818),
    ("stid", "all_pairs"): (424, 459, 215),
    ("stid", "neighbour_lists"): (627, 721, 196),
    ("linear", "all_pairs"): (175, 204, 18),
    ("linear", "neighbour_lists"): (322, 403, 11),
    ("patch_transformer", "all_pairs"): (638, 719, 461),
    ("simvp", "everywhere"): (517, 551, 16_681),
    ("conv_lstm", "everywhere"): (910, 949, 7975),
    ("unet", "everywhere"): (227, 261, 2648),
}


PLAIN = {"location_blocks": 0, "kriging": False}

# What one block over all locations adds to a step and a probe, and its products.
BLOCK = {"all_pairs": (91, 91, 101), "neighbour_lists": (147, 147, 75)}
# And kriging, with half of the sensors off.
KRIGING = (107, 140, 2.5)


class Operators(TorchDispatchMode):
    """Counts what is asked of the device, forward and backward; views and sizes count too."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        return func(*args, **(kwargs or {}))


def operators(call: Callable[[], Tensor]) -> int:
    with Operators() as counter:
        call().square().mean().backward()
    return counter.calls


def products(call: Callable[[], Tensor]) -> float:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 1e3


def some(count: int) -> Tensor:
    return torch.arange(S) < count


def probe(model: SparseForecaster) -> Tensor:
    return model(ForecastInputs(*inputs(), torch.arange(S), some(6).float().requires_grad_()))


def step(model: SparseForecaster, count: int) -> Tensor:
    return compact(model, some(count), inputs())


@pytest.mark.parametrize("variant", VARIANTS, ids="-".join)
def test_a_step_asks_no_more_of_the_device_than_it_did(variant: tuple[str, str]) -> None:
    model, (of_step, of_probe, _) = made(*variant, **PLAIN), KNOWN[variant]
    assert operators(lambda: compact(model, some(6), inputs())) <= of_step
    assert operators(lambda: probe(model)) <= of_probe


@pytest.mark.parametrize("variant", VARIANTS, ids="-".join)
def test_a_forecast_takes_no_more_products_than_it_did_and_a_sparse_one_fewer(
    variant: tuple[str, str],
) -> None:
    model = made(*variant, **PLAIN)
    dense, sparse = (
        products(lambda count=count: compact(model, some(count), inputs())) for count in (S, S // 2)
    )
    assert dense <= KNOWN[variant][2] + 1
    if not isinstance(model, InputGatedForecaster):
        assert sparse <= 0.62 * dense


@pytest.mark.parametrize("form", sorted(BLOCK))
@pytest.mark.parametrize("count", [S, S // 2])
def test_a_block_over_all_locations_costs_the_same_whatever_is_off(form: str, count: int) -> None:
    one, two = (made("morph_graph", form, location_blocks=blocks) for blocks in (1, 2))
    of_step, of_probe, of_products = BLOCK[form]
    assert _more(one, two, lambda model: operators(lambda: step(model, count))) <= of_step
    assert _more(one, two, lambda model: operators(lambda: probe(model))) <= of_probe
    assert _more(one, two, lambda model: products(lambda: step(model, count))) == pytest.approx(
        of_products, abs=1
    )


def test_kriging_costs_one_small_system_of_equations() -> None:
    without, kriging = (
        made("morph_graph", "all_pairs", kriging=kriging) for kriging in (False, True)
    )
    of_step, of_probe, of_products = KRIGING
    assert _more(without, kriging, lambda model: operators(lambda: step(model, S // 2))) <= of_step
    assert _more(without, kriging, lambda model: operators(lambda: probe(model))) <= of_probe
    assert (
        _more(without, kriging, lambda model: products(lambda: step(model, S // 2))) <= of_products
    )


def _more(
    one: SparseForecaster, two: SparseForecaster, cost: Callable[[SparseForecaster], float]
) -> float:
    return cost(two) - cost(one)


@pytest.mark.parametrize(
    "variant", [variant for variant in VARIANTS if variant[1] != "everywhere"], ids="-".join
)
def test_the_number_of_operator_calls_does_not_depend_on_the_number_of_sensors(
    variant: tuple[str, str],
) -> None:
    """A loop over sensors or windows would show here."""
    model = made(*variant)
    few, more = (
        operators(lambda count=count: compact(model, some(count), inputs())) for count in (6, 9)
    )
    assert abs(few - more) <= 1
