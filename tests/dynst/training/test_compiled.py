"""Compiled steps train what others do, in few shapes, or not at all and say so."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn

from dynst.compat import num_compiled
from dynst.data.scaler import SEASONS, SeasonalScaler
from dynst.data.store import SensorStore, open_store
from dynst.data.windows import ForecastInputs
from dynst.distributed.world import World, current_world
from dynst.experiment.config import ExperimentConfig
from dynst.experiment.experiment import Experiment
from dynst.models.factory import ModelConfig
from dynst.models.forecaster import InputGatedForecaster
from dynst.models.protocol import Shape
from dynst.sparsity.config import SparsityConfig
from dynst.training import compiled
from dynst.training.amp import Arithmetic
from dynst.training.compiled import (
    LONG,
    SIZES,
    CompiledForward,
    in_few_sizes,
    is_worth_compiling,
)
from dynst.training.config import Recipe
from dynst.training.trainer import Training
from tests.conftest import write_network

# PyTorch's compiler of what it does itself with an autograd function
pytestmark = pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
S = 40
CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
# all kinds of steps: dropout, first probes, probes, and the final sensors
SPARSITY = SparsityConfig(final=0.5, start=0.6, rounds=2, probe_every=2, dropout_density=(0.7, 1.0))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> SensorStore:
    return write_network(tmp_path_factory.mktemp("stores") / "large", S, 24 * 7)


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the code that a compiler writes, which would need one for C++."""
    monkeypatch.setattr(compiled, "BACKEND", "aot_eager")


def training(
    store: SensorStore,
    compile: bool | str,
    backbone: str = "linear",
    neighbours: int | None = None,
    world: World | None = None,
    **recipe: Any,
) -> Training:
    model = ModelConfig.model_validate(
        {
            "window": 6,
            "horizon": 3,
            "hidden": 8,
            "embedding": 4,
            "backbone": backbone,
            "neighbours": neighbours,
        }
    )
    settings = {"epochs": 3, "steps_per_epoch": 8, "batch_size": 8, "compile": compile}
    made = Recipe.model_validate(settings | recipe)
    config = ExperimentConfig(model=model, training=made, sparsity=SPARSITY)
    return Experiment(store, config, world).learned().training


def run(made: Training) -> list[tuple[float, float]]:
    return [(epoch.train_loss, epoch.val_mae) for epoch in made.run()]


def alike(found: list[tuple[float, float]], expected: list[tuple[float, float]]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-4)


@pytest.mark.parametrize(
    ("backbone", "neighbours"),
    [
        pytest.param("linear", None, marks=pytest.mark.nightly),
        ("linear", 4),
        pytest.param("stid", None, marks=pytest.mark.nightly),
        pytest.param("morph_graph", 4, marks=pytest.mark.nightly),
        pytest.param("patch_transformer", None, marks=pytest.mark.nightly),
        pytest.param("graph_wavenet", 4, marks=pytest.mark.nightly),
        pytest.param("mesh_graph_net", 4, marks=pytest.mark.nightly),
        pytest.param("agcrn", None, marks=pytest.mark.nightly),
    ],
)
def test_a_compiled_training_gives_the_same_losses_in_few_shapes(
    large: SensorStore, backbone: str, neighbours: int | None
) -> None:
    plain = training(large, False, backbone, neighbours)
    expected, before = run(plain), num_compiled()
    quick = training(large, True, backbone, neighbours)
    alike(run(quick), expected)
    assert quick._gradients._forward.is_on
    assert torch.equal(quick.scheme.active, plain.scheme.active)
    # nine: five sizes with gates, all sensors, all of them measured, the final ones, and one batch
    # is smaller; there would be 13 without rounding up
    assert 3 <= num_compiled() - before <= SIZES + 2
    assert list(quick.state_dict()["model"]) == list(plain.state_dict()["model"])
    before = num_compiled()
    alike(run(training(large, True, backbone, neighbours)), expected)
    assert num_compiled() == before, "another arm of the experiment has the same shapes"


@pytest.mark.nightly
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_lower_precision_is_compiled_too(large: SensorStore, precision: str) -> None:
    expected, before = run(training(large, False, precision=precision)), num_compiled()
    found = run(training(large, True, precision=precision))
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-2)
    assert num_compiled() > before


def test_a_resumed_training_may_change_its_mind(large: SensorStore) -> None:
    expected = run(training(large, False))
    first, second = training(large, True), training(large, False)
    list(first.run(1))
    second.load_state_dict(first.state_dict())
    alike(run(second), expected[1:])


@pytest.mark.parametrize("num_sensors", [1, 5, 8, 20, 207])
def test_any_number_of_sensors_becomes_one_of_a_few(num_sensors: int) -> None:
    chance = torch.Generator().manual_seed(0)
    sizes = set()
    for count in range(1, num_sensors + 1):
        index = torch.randperm(num_sensors, generator=chance)[:count].sort().values
        given = torch.rand(count, generator=chance)
        padded, gates = in_few_sizes(index, given, num_sensors)
        assert gates is not None
        assert torch.equal(padded[:count], index)
        assert torch.equal(gates[:count], given)
        assert not gates[count:].any()
        assert len(set(padded.tolist())) == len(padded) == len(gates)
        assert len(padded) - count < -(-num_sensors // SIZES)
        sizes.add(len(padded))
        alone, ones = in_few_sizes(index, None, num_sensors)
        if count == num_sensors:
            assert ones is None
            assert torch.equal(alone, index)
        else:
            assert ones is not None
            assert torch.equal(alone, padded)
            assert torch.equal(ones, (torch.arange(len(padded)) < count).float())
    assert len(sizes) <= SIZES


def refuses(why: str) -> Callable[..., Any]:
    def backend(graph: object, inputs: object) -> Any:
        raise RuntimeError(why)

    return backend


def test_what_cannot_be_compiled_is_trained_as_ever_with_one_line_of_the_log(
    large: SensorStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(compiled, "BACKEND", refuses("no compiler\nis here"))
    expected = run(training(large, False))
    with caplog.at_level(logging.WARNING, "dynst.training.compiled"):
        alike(run(training(large, True)), expected)
    lines = [record.getMessage() for record in caplog.records if "compiled" in record.name]
    assert len(lines) == 1
    assert lines[0].startswith("steps are not compiled from here on: ")
    assert "no compiler is here" in lines[0]


def test_a_failure_in_the_backward_pass_is_seen_before_a_step_relies_on_it(
    large: SensorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from functorch.compile import make_boxed_func
    from torch._dynamo.backends.common import aot_autograd

    forward_alone = aot_autograd(
        fw_compiler=lambda graph, _: make_boxed_func(graph.forward),
        bw_compiler=refuses("backwards it fails"),
    )
    monkeypatch.setattr(compiled, "BACKEND", forward_alone)
    expected = run(training(large, False))
    made = training(large, True)
    alike(run(made), expected)
    assert not made._gradients._forward.is_on


class Noisy(nn.Module):
    """Statistics of its batches, and random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(4), nn.Dropout(0.5)
        self.out = nn.Linear(1, 1)

    def forward(self, values: Tensor) -> Tensor:
        normal = self.norm(values[:, -1, :, 0])[:, None, :, None]
        out: Tensor = self.out(self.drop(normal)).expand(-1, 3, -1, -1)
        return out


@pytest.mark.parametrize("fails", [False, True])
def test_trying_out_a_shape_leaves_no_trace(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    monkeypatch.setattr(compiled, "BACKEND", refuses("it fails") if fails else "eager")
    shape = Shape(6, 3, 4, 1, 1, 8)
    model = InputGatedForecaster(shape, Noisy(), SeasonalScaler(SEASONS["none"], 4, 1))
    forward = CompiledForward(model, World(), True)
    readings = torch.randn(5, 6, 4, 1, generator=torch.Generator().manual_seed(0))
    inputs = ForecastInputs(readings, readings < 9, torch.zeros(5, 6), torch.arange(4))
    state = {name: value.clone() for name, value in model.state_dict().items()}
    before = torch.get_rng_state()
    forward.try_out(inputs, Arithmetic("float32", CPU))
    assert forward.is_on is not fails
    assert torch.equal(torch.get_rng_state(), before)
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name
    assert all(weight.grad is None for weight in model.parameters())
    torch.manual_seed(3)
    expected = model(inputs)
    torch.manual_seed(3)
    assert torch.equal(forward(inputs), expected)


@pytest.mark.parametrize(
    ("asked", "device", "parts", "steps", "expected"),
    [
        ("auto", CPU, 1, LONG, False),
        ("auto", GPU, 1, LONG, True),
        ("auto", GPU, 1, LONG - 1, False),
        ("auto", GPU, 4, LONG, False),
        (True, CPU, 1, 1, True),
        (True, GPU, 4, 1, False),
        (False, GPU, 1, LONG, False),
    ],
)
def test_when_steps_are_compiled(
    asked: compiled.Compile,
    device: torch.device,
    parts: int,
    steps: int,
    expected: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert is_worth_compiling(asked, device, parts, steps) is expected
    assert ("cut network" in caplog.text) is (asked is True and parts > 1)


def test_by_default_a_cpu_compiles_nothing(large: SensorStore) -> None:
    made = training(large, Recipe().compile)
    assert not made._gradients._forward.is_on


TWO = {
    "batch_size": 9,
    "epochs": 2,
    "steps_per_epoch": 2,
}  # 5 windows for one rank, 4 for the other


def on_rank(rank: int, folder: Path, store: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    world, found = current_world(), {}
    for name, backend in (
        ("compiled", "aot_eager"),
        ("failed", refuses("not here") if rank else "aot_eager"),
    ):
        torch._dynamo.reset()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(compiled, "BACKEND", backend)
            made = training(open_store(store), True, world=world, **TWO)
            found[name] = (run(made), made._gradients._forward.is_on)
    torch.save(found, folder / f"rank-{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.process
@pytest.mark.nightly
def test_two_ranks_compile_together_or_not_at_all(large: SensorStore, tmp_path: Path) -> None:
    mp.spawn(on_rank, (tmp_path, large.path), nprocs=2)
    expected = run(training(large, False, **TWO))
    for rank in range(2):
        found = torch.load(tmp_path / f"rank-{rank}.pt", weights_only=True)
        alike(found["compiled"][0], expected)
        alike(found["failed"][0], expected)
        assert [found[name][1] for name in ("compiled", "failed")] == [True, False]
