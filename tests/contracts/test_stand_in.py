"""Whatever decides by numbers, on a device that has numbers and refuses what is left in main
memory: its results are those of the processor, to the last digit.
"""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from dynst.data.store import open_store
from dynst.devices import CPU, computing_on
from dynst.distributed.world import current_world
from dynst.evaluation import efficiency
from dynst.experiment.config import ExperimentConfig
from dynst.experiment.experiment import Experiment
from dynst.experiment.protocol import (
    evaluate,
    model_errors,
    prepare,
    run_epochs,
    save_arm,
    time_inference,
    train,
)
from dynst.experiment.supernet import Supernet
from dynst.models.artifact import artifact_digest, load_artifact
from dynst.selection.subset_evaluator import SubsetEvaluator, evenly
from dynst.training.trainer import EpochResult
from tests.conftest import write_grid, write_network
from tests.contracts.test_backbones import VARIANTS
from tests.on_stand_in import process_with_stand_in
from tests.stand_in_device import counted, stand_in

pytestmark = pytest.mark.process
Settings = dict[str, dict[str, Any]]
BASE: Settings = {
    "model": {"window": 3, "horizon": 2, "hidden": 4, "embedding": 4},
    "training": {"epochs": 3, "batch_size": 32, "steps_per_epoch": 4},
    "sparsity": {"final": 0.5, "start": 0.4, "stop": 0.8, "rounds": 2, "probe_every": 1},
    "search": {"windows": 32, "elimination_rounds": 2, "rounds": 2, "proposals": 3},
}
SCHEMES: dict[str, Settings] = {
    "searched": {"sparsity": {"scheme": "searched"}},
    "dynamic": {"sparsity": {"scheme": "dynamic"}},
    "rewound": {"sparsity": {"scheme": "iterative", "rewind": 0.1}},
    "gate": {"sparsity": {"scheme": "dynamic", "criterion": "learned_gate"}},
    "lists": {"model": {"neighbours": 3}, "sparsity": {"scheme": "searched"}},
    "parts": {"model": {"neighbours": 3}, "training": {"parts": 2, "steps_per_epoch": 2}},
    "accumulated": {"training": {"accumulate": 2}},
}


@pytest.fixture(scope="module")
def process() -> Iterator[ProcessPoolExecutor]:
    with process_with_stand_in() as found:
        yield found


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("stores")
    write_network(folder / "network", num_steps=24 * 7 * 5, channels=2)
    write_grid(folder / "grid", 3, 4, num_steps=120)
    return {name: folder / name for name in ("network", "grid")}


def slow(variant: tuple[str, str]) -> bool:
    """The layers over lists are the same in every backbone; one of them is tried each time."""
    return variant[1] == "neighbour_lists" and variant[0] != "morph_graph"


def merged(settings: Settings) -> Settings:
    return {key: values | settings.get(key, {}) for key, values in BASE.items()}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_training_decides_and_ends_alike(
    process: ProcessPoolExecutor, stores: dict[str, Path], scheme: str
) -> None:
    alike(process, whole_training, stores["network"], merged(SCHEMES[scheme]))


@pytest.mark.parametrize(
    "variant",
    [
        pytest.param(
            variant, marks=pytest.mark.nightly if slow(variant) else (), id="-".join(variant)
        )
        for variant in VARIANTS
    ],
)
def test_so_does_every_backbone(
    process: ProcessPoolExecutor, stores: dict[str, Path], variant: tuple[str, str]
) -> None:
    name, form = variant
    lists = {"neighbours": 3} if form == "neighbour_lists" else {}
    short = {"epochs": 2, "steps_per_epoch": 1, "batch_size": 8}
    settings = merged(
        {
            "model": {"backbone": name} | lists,
            "training": short,
            "sparsity": {"scheme": "searched", "start": 0.5},
            "search": {"windows": 8, "elimination_rounds": 1, "rounds": 1, "proposals": 2},
        }
    )
    alike(process, whole_training, stores["grid"], settings)


def test_a_supernet_its_choices_and_their_tuning_are_alike(
    process: ProcessPoolExecutor, stores: dict[str, Path]
) -> None:
    alike(process, curve_points, stores["network"], merged({}))


def test_a_model_from_disk_is_measured_asked_and_forecasts_alike(
    process: ProcessPoolExecutor, stores: dict[str, Path], tmp_path: Path
) -> None:
    settings = merged({})
    process.submit(saved, stores["network"], settings, tmp_path / "model").result()
    alike(process, asked, stores["network"], settings, tmp_path / "model")


def test_a_training_goes_on_elsewhere(
    process: ProcessPoolExecutor, stores: dict[str, Path]
) -> None:
    """From the device to the processor, and back."""
    settings = merged({"sparsity": {"scheme": "dynamic"}})
    alike(process, resumed_from_the_other, stores["network"], settings)


def alike(process: ProcessPoolExecutor, work: Callable[..., Any], *given: object) -> None:
    here, there, operations = process.submit(on_both, work, *given).result()
    assert operations > 100, "the device had nothing to do"
    assert here == there


def on_both(work: Callable[..., Any], *given: object) -> tuple[object, object, int]:
    """In one process; attention is computed in the one way that both have."""
    with sdpa_kernel(SDPBackend.MATH):
        with computing_on(CPU):
            here = exact(work(*given))
        with computing_on(stand_in()), counted() as count:
            there = exact(work(*given))
    return here, there, count.operations


def exact(found: Any) -> Any:
    """Plain values, each digit of which counts."""
    if isinstance(found, torch.Tensor):
        return exact(found.cpu().numpy())
    if isinstance(found, np.ndarray):
        return found.shape, hashlib.sha256(found.tobytes()).hexdigest()
    if isinstance(found, dict):
        return {key: exact(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [exact(value) for value in found]
    return found if isinstance(found, str) else repr(found)


def experiment_of(store: Path, settings: Settings) -> Experiment:
    return Experiment(open_store(store), ExperimentConfig.model_validate(settings), current_world())


def whole_training(store: Path, settings: Settings) -> Any:
    experiment, epochs = experiment_of(store, settings), list[Any]()
    arm = train(
        experiment,
        experiment.learned(),
        run=lambda arm, until: run_epochs(arm, until, lambda one: epochs.append(figures_of(one))),
    )
    found = evaluate(experiment, arm)
    state = arm.training.state_dict()
    return [epochs, arm.active, vars(found.errors), found.images, state["model"], state["step"]]


def figures_of(epoch: EpochResult) -> Any:
    """All but how long it took."""
    figures = (epoch.step, epoch.train_loss, epoch.val_mae, epoch.sparsity, epoch.exchanged)
    return [*figures, *(list(vars(update).values()) for update in epoch.updates)]


def curve_points(store: Path, settings: Settings) -> Any:
    supernet = Supernet(experiment_of(store, settings))
    training = supernet.training()
    for _ in training.run():
        pass
    evaluator = supernet.evaluator(training.model)
    choices = [
        supernet.learned(evaluator, 0.5),
        supernet.ranked("qr_pivoting", 0, evaluator, 0.25),
        supernet.given([0, 3, 4], evaluator, [0.5]),
    ]
    points = [supernet.as_it_is(training.model, choice) for choice in choices]
    points.append(supernet.fine_tuned(training.model, choices[0], 1))
    return [[point.choice.active, point.choice.search_loss, vars(point.errors)] for point in points]


def saved(store: Path, settings: Settings, folder: Path) -> None:
    experiment = experiment_of(store, settings)
    save_arm(folder, experiment, train(experiment, experiment.learned()))


def asked(store: Path, settings: Settings, folder: Path) -> Any:
    """What promotion, the plan and the forecast do with a model."""
    experiment = experiment_of(store, settings)
    artifact = load_artifact(folder).on(experiment.world.device)
    active, test = torch.tensor(artifact.description.active), experiment.dataset.test
    evaluator = SubsetEvaluator(artifact.model, [(test, evenly(len(test), 32))])
    readings = experiment.store.readings
    values = np.where(readings.observed[:6], readings.values[:6], np.nan)[:, active.numpy()]
    arm = experiment.learned()
    prepare(experiment, arm)
    save_arm(folder.with_name(f"{folder.name}-again"), experiment, arm)
    with pytest.MonkeyPatch.context() as patch:  # its tensors have no address to count by
        patch.setattr(efficiency, "peak_memory", lambda call: call() is None)
        whole = arm.training.whole_model()
        timed = time_inference(experiment, arm, whole, repeats=1, seconds=0.1)
    assert timed is not None
    return [
        vars(model_errors(experiment, artifact.model, active)),
        evaluator.losses([active, ~active]),
        evaluator.importance(active),
        artifact.forecast(readings.time[:6], values),
        artifact_digest(folder.with_name(f"{folder.name}-again")),
        timed.dense_flops,
    ]


def resumed_from_the_other(store: Path, settings: Settings) -> Any:
    device = current_world().device
    with computing_on(stand_in() if device == CPU else CPU):
        experiment = experiment_of(store, settings)
        first = experiment.learned()
        run_epochs(first, 2)
        state = first.training.state_dict()
    experiment = experiment_of(store, settings)
    arm = experiment.learned()
    arm.training.load_state_dict(state)
    run_epochs(arm)
    return [arm.active, arm.training.state_dict()["model"], vars(evaluate(experiment, arm).errors)]
