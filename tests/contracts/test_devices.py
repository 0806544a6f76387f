"""Every backbone on a device that has shapes and no numbers: what is left in main memory, or waits
for a number, fails there.
"""

from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from dynst.data.store import SensorStore
from dynst.distributed.world import World
from dynst.experiment.dataset import Dataset, forecaster_for, make_dataset
from dynst.models.factory import ModelConfig
from dynst.sparsity.scheme import StepSensors, dense_scheme
from dynst.training.config import Recipe
from dynst.training.gradients import Share
from dynst.training.trainer import Training, TrainingData
from tests.conftest import write_grid
from tests.contracts.test_backbones import VARIANTS

S = 12
NOWHERE = torch.device("meta")
SETTINGS = {"window": 3, "horizon": 2, "hidden": 4, "embedding": 4}
COMPACT = StepSensors(torch.tensor([0, 2, 3, 7]), None)
PROBE = StepSensors(torch.arange(S), (torch.arange(S) % 3 > 0).float())


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> tuple[SensorStore, Dataset]:
    store = write_grid(tmp_path_factory.mktemp("stores") / "grid", 3, 4, num_steps=120)
    return store, make_dataset(store, ModelConfig.model_validate(SETTINGS))


def training(
    grid: tuple[SensorStore, Dataset], name: str, form: str, recipe: Recipe, device: torch.device
) -> Training:
    store, dataset = grid
    lists = {"neighbours": 3} if form == "neighbour_lists" else {}
    model = forecaster_for(
        dataset,
        ModelConfig.model_validate(SETTINGS | {"backbone": name} | lists),
        store.edges,
        seed=0,
    )
    return Training(
        model,
        dense_scheme(S),
        recipe,
        TrainingData(dataset.train, dataset.val),
        0,
        World(device=device),
    )


@pytest.mark.parametrize("sensors", [COMPACT, PROBE], ids=["compact", "probe"])
@pytest.mark.parametrize("variant", VARIANTS, ids="-".join)
def test_a_step_never_waits_for_the_device(
    grid: tuple[SensorStore, Dataset], variant: tuple[str, str], sensors: StepSensors
) -> None:
    made = training(grid, *variant, Recipe(), NOWHERE)
    with FakeTensorMode(allow_non_fake_inputs=True):
        errors, of_gates = made._gradients.measure([Share(torch.arange(8), sensors)])
    made._arithmetic.step(made._optimizer, made.model, 1.0)
    assert errors.device == NOWHERE
    measured = [None if gradient is None else gradient.device for gradient in of_gates]
    assert measured == [None if sensors.gates is None else NOWHERE]


def test_a_series_and_a_model_on_a_device_leave_those_in_main_memory_alone(
    grid: tuple[SensorStore, Dataset],
) -> None:
    made = training(grid, "morph_graph", "all_pairs", Recipe(), NOWHERE)
    dataset = grid[1]
    assert made.train.series is made.val.series is dataset.train.on(NOWHERE).series
    assert made.train.series.device == made.model.scaler.scale.device == NOWHERE
    assert dataset.train.series.device == dataset.scaler.scale.device == torch.device("cpu")


def test_a_series_without_room_stays_and_its_batches_travel(
    grid: tuple[SensorStore, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dynst.data.series.fits", lambda device, num_bytes: False)
    train = replace(grid[1].train, series=replace(grid[1].train.series)).on(NOWHERE)
    assert train.series.device == torch.device("cpu")
    assert {
        part.device for part in vars(train.batch(torch.arange(3), torch.tensor([1, 4]))).values()
    } == {NOWHERE}
    assert train.target_times(torch.arange(3)).device == NOWHERE


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("variant", VARIANTS, ids="-".join)
def test_a_real_step_never_waits_for_a_gpu(
    grid: tuple[SensorStore, Dataset], variant: tuple[str, str], precision: str
) -> None:
    made = training(
        grid,
        *variant,
        Recipe.model_validate({"accumulate": 2, "precision": precision}),
        torch.device("cuda", 0),
    )
    made._train_step(torch.arange(8))  # libraries are set up, and the optimizer's memory is made
    torch.cuda.set_sync_debug_mode("error")
    try:
        made._train_step(torch.arange(8))
    finally:
        torch.cuda.set_sync_debug_mode("default")
