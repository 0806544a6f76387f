"""What every network over images must hold."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dynst.models.grid.conv_lstm import ConvLSTM
from dynst.models.grid.simvp import SimVP
from dynst.models.grid.unet import UNet
from dynst.models.protocol import FrameShape

B, T, H, IN, OUT = 3, 4, 3, 3, 2
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
Make = Callable[..., nn.Module]
SMALL = {"blocks": 1, "width": 8, "kernel": 7}
NETWORKS: dict[str, tuple[Make, dict[str, Any]]] = {
    "simvp": (SimVP, SMALL),
    "conv_lstm": (ConvLSTM, {}),
    "unet": (UNet, {}),
}
OPTIONS: list[tuple[Make, dict[str, Any]]] = [
    (SimVP, SMALL),
    (SimVP, SMALL | {"halvings": 2, "blocks": 2}),
    (SimVP, SMALL | {"halvings": 3, "width": 7, "expansion": 1, "kernel": 1, "dilation": 1}),
    (SimVP, SMALL | {"kernel": 21, "dilation": 2, "expansion": 4}),
    (ConvLSTM, {}),
    (ConvLSTM, {"layers": 1, "kernel": 5, "patch": 1}),
    (ConvLSTM, {"layers": 3, "kernel": 1, "patch": 4}),
    (UNet, {}),
    (UNet, {"levels": 1}),
    (UNet, {"levels": 3}),
]
SIZES = [(17, 33), (10, 20), (8, 8), (5, 1), (1, 7), (2, 3)]


def frames(
    rows: int = 7, columns: int = 10, *, window: int = T, horizon: int = H, hidden: int = 4
) -> FrameShape:
    return FrameShape(window, horizon, IN, OUT, rows, columns, hidden)


def pictures(shape: FrameShape, batch: int = B, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(
        batch, shape.window, shape.channels_in, shape.rows, shape.columns, generator=generator
    )


def made(make: Make, shape: FrameShape, options: dict[str, Any]) -> nn.Module:
    torch.manual_seed(0)
    return make(shape, **options)


@pytest.fixture(params=sorted(NETWORKS))
def network(request: pytest.FixtureRequest) -> nn.Module:
    make, options = NETWORKS[request.param]
    return made(make, frames(), options)


@pytest.mark.parametrize(("make", "options"), OPTIONS, ids=str)
@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_any_size_comes_out_as_it_went_in(
    make: Make, options: dict[str, Any], rows: int, columns: int
) -> None:
    shape = frames(rows, columns)
    out = made(make, shape, options)(pictures(shape))
    assert out.shape == (B, H, OUT, rows, columns)
    assert out.isfinite().all()


@pytest.mark.parametrize(("window", "horizon"), [(1, 1), (1, 4), (4, 1), (4, 4)])
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_any_window_and_horizon(name: str, window: int, horizon: int) -> None:
    make, options = NETWORKS[name]
    shape = frames(window=window, horizon=horizon)
    out = made(make, shape, options)(pictures(shape))
    assert out.shape == (B, horizon, OUT, 7, 10)


@pytest.mark.parametrize(("make", "options"), OPTIONS, ids=str)
def test_gradients_reach_every_parameter(make: Make, options: dict[str, Any]) -> None:
    shape = frames()
    network = made(make, shape, options)
    network(pictures(shape)).square().mean().backward()
    dead = [
        name
        for name, one in network.named_parameters()
        if one.grad is None or not one.grad.abs().sum() > 0
    ]
    assert not dead


def test_every_frame_of_the_window_is_heard_at_every_step(network: nn.Module) -> None:
    data = pictures(frames()).requires_grad_()
    for step in network(data).square().mean((0, 2, 3, 4)):
        (change,) = torch.autograd.grad(step, data, retain_graph=True)
        assert (change.abs().sum((0, 2, 3, 4)) > 0).all()


def test_a_batch_of_one_equals_a_row_of_a_batch(network: nn.Module) -> None:
    data = pictures(frames())
    torch.testing.assert_close(network(data[1:2]), network(data)[1:2], **CLOSE)


def test_training_and_inference_are_the_same_function(network: nn.Module) -> None:
    data = pictures(frames())
    assert torch.equal(network.train()(data), network.eval()(data))


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_weights_alone_make_the_same_network(name: str) -> None:
    make, options = NETWORKS[name]
    shape = frames()
    one, other = made(make, shape, options), make(shape, **options)
    data = pictures(shape)
    assert not torch.equal(one(data), other(data))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(data), other(data))


def test_bfloat16_is_near(network: nn.Module) -> None:
    data = pictures(frames())
    exact = network(data)
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(data)
    assert rough.isfinite().all()
    assert (rough - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_its_export_gives_the_same_numbers_for_any_batch(name: str) -> None:
    make, options = NETWORKS[name]
    shape = frames(window=2, horizon=2)
    network = made(make, shape, options)
    program = torch.export.export(
        network, (pictures(shape),), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},)
    )
    for batch in (1, B, 5):
        data = pictures(shape, batch, seed=1)
        torch.testing.assert_close(program.module()(data), network(data), **CLOSE)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_what_moves_is_forecast_as_moved(name: str) -> None:
    """Away from the edges, and by whole blocks of 4 cells, since sides are halved up to twice."""
    make, options = NETWORKS[name]
    shape = frames(96, 96, window=2, horizon=2)
    network, data = (
        made(make, shape, options).double(),
        torch.zeros(1, 2, IN, 96, 96, dtype=torch.float64),
    )
    data[..., 40:44, 40:44] = pictures(frames(4, 4, window=2), 1).double()
    with torch.no_grad():
        before, after = network(data), network(data.roll((4, 8), (-2, -1)))
    inside = (..., slice(32, 72), slice(32, 72))
    assert (before - after)[inside].abs().max() > 1e-3
    torch.testing.assert_close(before.roll((4, 8), (-2, -1))[inside], after[inside])


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_four_pictures_can_be_learned_by_heart(name: str) -> None:
    make, options = NETWORKS[name]
    shape = frames(4, 5, horizon=2, hidden=8)
    network, data = made(make, shape, options), pictures(shape, 4)
    truth = torch.randn(4, 2, OUT, 4, 5, generator=torch.Generator().manual_seed(2))
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(60):
        optimizer.zero_grad()
        loss = (network(data) - truth).square().mean()
        loss.backward()
        optimizer.step()
    assert loss < 0.1 * truth.var()
