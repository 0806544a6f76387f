"""A network in parts that stay with their workers: two processes have half of the embeddings each
and train what one trains with all of them, checkpoints of any number of workers fit the others, and
what is sent is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

from dynst.data.partition import Subgraph
from dynst.data.store import SensorStore, open_store
from dynst.data.synthetic import write_synthetic_field
from dynst.distributed.world import World
from dynst.errors import CheckpointError
from dynst.evaluation.error_table import ErrorTable
from dynst.experiment.config import ExperimentConfig
from dynst.experiment.experiment import Experiment
from dynst.experiment.protocol import arm_errors, train
from dynst.models.by_parts import ForecasterByParts
from dynst.models.factory import ModelConfig
from dynst.models.sensor_rows import sensor_rows
from dynst.selection.search import SearchConfig
from dynst.sparsity.config import SparsityConfig
from dynst.training.config import Recipe
from dynst.training.trainer import Training, TrainingState
from tests.conftest import SMALL

S, PARTS, WORKERS, EMBEDDING = 96, 8, 2, 4
MODEL = ModelConfig(
    window=4, horizon=2, hidden=8, backbone=SMALL, embedding=EMBEDDING, neighbours=3
)
pytestmark = pytest.mark.process


@dataclass(frozen=True)
class CountingWorld(World):
    """Counts the bytes that leave this rank, by kind of call."""

    sent: list[tuple[str, int]] = field(default_factory=list)

    def all_to_all(self, values: Sequence[Tensor], sizes: Sequence[int]) -> list[Tensor]:
        others = [value for rank, value in enumerate(values) if rank != self.rank]
        self.sent.append(("rows", sum(value.nbytes for value in others)))
        return super().all_to_all(values, sizes)

    def all_reduce(self, value: Tensor) -> Tensor:
        self.sent.append(("sums", value.nbytes))
        return super().all_reduce(value)


def experiment(
    path: Path, world: World, scheme: str = "dynamic", precision: Any = "float32"
) -> Experiment:
    recipe = Recipe(
        epochs=3,
        steps_per_epoch=6,
        batch_size=8,
        parts=PARTS,
        parts_per_step=4,
        halo=1,
        clip_norm=0.05,  # so that every step is clipped
        precision=precision,
    )
    sparsity = SparsityConfig(scheme=scheme, final=0.5, start=0.34, rounds=2, probe_every=2)
    search = SearchConfig(windows=8, elimination_rounds=2, rounds=2, proposals=3)
    config = ExperimentConfig(model=MODEL, training=recipe, sparsity=sparsity, search=search)
    return Experiment(open_store(path), config, world)


def outcome(made: Experiment) -> dict[str, Any]:
    """What a training to the end leaves, the whole model on the first rank."""
    arm = made.learned()
    reports: list[Any] = []
    train(made, arm, run=lambda arm, until: reports.extend(arm.training.run(until)))
    errors, whole = arm_errors(made, arm), arm.training.whole_model()
    return {
        "losses": [report.train_loss for report in reports],
        "errors": [report.val_mae for report in reports],
        "mask": arm.active,
        "scores": arm.training.scheme.criterion.scores(arm.active),
        "test": [part.clone() for part in errors.sums],
        "weights": None if whole is None else dict(whole.state_dict()),
        "rows": [
            len(value)
            for name, value in arm.training.model.state_dict().items()
            if name.endswith("embedding")
        ],
    }


def resumed(path: Path, world: World, kept: Sequence[TrainingState]) -> dict[str, Any]:
    """The last epoch, from what each rank of another number of them had kept."""
    training = experiment(path, world).learned().training
    training.load_state_dict(joined(kept))
    reports = list(training.run())
    return {"losses": [report.train_loss for report in reports], "mask": training.scheme.active}


def joined(kept: Sequence[TrainingState]) -> TrainingState:
    """The first rank's state with the rows of all."""
    rows = {share: some for state in kept for share, some in state["rows"].items()}
    return {**kept[0], "rows": rows}


def two_epochs(path: Path, world: World) -> tuple[Training, TrainingState]:
    training = experiment(path, world).learned().training
    list(training.run(2))
    return training, training.state_dict()


def on_rank(rank: int, folder: Path, path: Path, alone: TrainingState) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=WORKERS
    )
    world = CountingWorld(rank, WORKERS)
    found: dict[str, Any] = {
        scheme: outcome(experiment(path, world, scheme)) for scheme in ("dynamic", "searched")
    }
    found["float16"] = outcome(experiment(path, world, precision="float16"))
    found["resumed"] = resumed(path, world, [alone])
    training, found["state"] = two_epochs(path, world)
    found["halos"] = [len(part.sensors) - len(part.locations) for part in training.rotation.parts]
    world.sent.clear()
    (index,) = list(training._batches(2))[:1]
    training._train_step(index)
    found["sent"] = list(world.sent)
    torch.save(found, folder / f"rank-{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> SensorStore:
    path = tmp_path_factory.mktemp("cut") / "field"
    write_synthetic_field(path, S, 24 * 12)
    return open_store(path)


@pytest.fixture(scope="module")
def alone(grid: SensorStore) -> dict[str, Any]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    found = {
        scheme: outcome(experiment(grid.path, World(), scheme))
        for scheme in ("dynamic", "searched")
    }
    training, state = two_epochs(grid.path, World())
    found["float16"] = outcome(experiment(grid.path, World(), precision="float16"))
    torch.set_num_threads(threads)
    return found | {"state": state, "training": training}


@pytest.fixture(scope="module")
def ranks(
    tmp_path_factory: pytest.TempPathFactory, grid: SensorStore, alone: dict[str, Any]
) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("ranks")
    mp.spawn(on_rank, (folder, grid.path, alone["state"]), nprocs=WORKERS)
    return [torch.load(folder / f"rank-{rank}.pt", weights_only=True) for rank in range(WORKERS)]


@pytest.mark.parametrize(
    ("run", "exact"), [("dynamic", 1e-4), ("searched", 1e-4), ("float16", 1e-2)]
)
def test_workers_with_a_part_of_the_embeddings_train_what_one_with_all_of_them_does(
    ranks: list[dict[str, Any]], alone: dict[str, Any], run: str, exact: float
) -> None:
    whole = alone[run]
    for rank in ranks:
        assert rank[run]["losses"] == pytest.approx(whole["losses"], rel=exact)
        assert rank[run]["errors"] == pytest.approx(whole["errors"], rel=10 * exact)
        if run != "float16":
            assert torch.equal(rank[run]["mask"], whole["mask"])
            torch.testing.assert_close(rank[run]["scores"], whole["scores"], rtol=1e-2, atol=1e-4)
    assert ranks[1][run]["weights"] is None
    if run != "float16":
        for mine, its in zip(ranks[0][run]["test"], whole["test"], strict=True):
            torch.testing.assert_close(mine, its, rtol=1e-3, atol=1e-3)
        for name, value in whole["weights"].items():
            torch.testing.assert_close(
                ranks[0][run]["weights"][name], value, rtol=1e-2, atol=1e-3, msg=name
            )


def test_no_worker_has_the_rows_of_all_sensors(
    ranks: list[dict[str, Any]], alone: dict[str, Any]
) -> None:
    assert alone["dynamic"]["rows"] == [S, S]
    for rank in ranks:
        assert all(S / WORKERS < rows < S for rows in rank["dynamic"]["rows"])


def test_a_checkpoint_of_one_worker_is_gone_on_from_by_two_and_of_two_by_one(
    ranks: list[dict[str, Any]], alone: dict[str, Any], grid: SensorStore
) -> None:
    last, mask = alone["dynamic"]["losses"][-1], alone["dynamic"]["mask"]
    by_one = resumed(grid.path, World(), [rank["state"] for rank in ranks])
    for found in (by_one, *(rank["resumed"] for rank in ranks)):
        assert found["losses"] == pytest.approx([last], rel=1e-3)
        assert torch.equal(found["mask"], mask)


def test_a_checkpoint_of_a_network_that_was_cut_in_another_way_is_refused(
    alone: dict[str, Any], grid: SensorStore
) -> None:
    training, state = experiment(grid.path, World()).learned().training, alone["state"]
    first, second = state["rows"]["0"], state["rows"]["1"]
    for rows in (second, {name: rows for name, rows in first.items() if name != "sensors"}):
        with pytest.raises(CheckpointError, match=r"share 0 .* cut in another way; resume with"):
            training.load_state_dict({**state, "rows": state["rows"] | {"0": rows}})


def test_what_all_workers_have_alike_holds_no_row_of_a_sensor(
    ranks: list[dict[str, Any]], alone: dict[str, Any]
) -> None:
    for state in (alone["state"], ranks[0]["state"]):
        tensors = [*state["model"].values()]
        tensors += [each for kept in state["optimizer"]["state"].values() for each in kept.values()]
        assert all(tensor.numel() < S * EMBEDDING for tensor in tensors)
    shares = [set(rank["state"]["rows"]) for rank in ranks]
    assert shares == [{"0", "2"}, {"1", "3"}]
    assert set(alone["state"]["rows"]) == {"0", "1", "2", "3"}


def test_a_step_sends_the_rows_of_halos_and_the_weights_that_all_share(
    ranks: list[dict[str, Any]], alone: dict[str, Any]
) -> None:
    """Bytes: a row has the embeddings of backbone and readout; their gradients go back."""
    shared = sum(
        weight.numel()
        for name, weight in alone["training"].model.named_parameters()
        if not name.endswith("embedding")
    )
    for rank in ranks:
        rows = sum(size for kind, size in rank["sent"] if kind == "rows")
        most = 2 * sum(sorted(rank["halos"])[-4:]) * 2 * EMBEDDING * 4
        assert 0 < rows <= most < 2 * S * 2 * EMBEDDING * 4
        sums = [size for kind, size in rank["sent"] if kind == "sums"]
        assert sums == [4, 4 * (shared + 1), 2 * S * 4], (
            "entries to forecast, gradients and their norm, what a probe measures of each sensor"
        )


def test_a_state_of_a_dynst_whose_workers_had_all_rows_is_taken_up(
    alone: dict[str, Any], grid: SensorStore
) -> None:
    training = experiment(grid.path, World()).learned().training
    list(training.run(1))
    rows, training._row_states = training._row_states, None
    old = training.state_dict()
    assert "rows" not in old
    training._row_states = rows
    other = experiment(grid.path, World()).learned().training
    other.load_state_dict(old)
    for name, value in other.model.state_dict().items():
        torch.testing.assert_close(value, old["model"][name], rtol=0, atol=0)


def test_parts_forecast_what_the_whole_network_does_where_halos_reach_all(
    grid: SensorStore,
) -> None:
    made = experiment(grid.path, World())
    parts = [Subgraph(part.locations, torch.arange(S)) for part in made.parts]
    model = ForecasterByParts(made.fresh_forecaster(), parts, S).eval()
    windows, active = made.dataset.test, torch.arange(S) % 3 > 0
    batch = windows.batch(torch.arange(5), active.nonzero().squeeze(1))
    with torch.no_grad():
        torch.testing.assert_close(model(batch.inputs()), model.model(batch.inputs()))
    gates = torch.rand(int(active.sum()), requires_grad=True)
    of_parts, of_all = (
        torch.autograd.grad(each(batch.inputs(gates)).square().sum(), gates)[0]
        for each in (model, model.model)
    )
    torch.testing.assert_close(of_parts, of_all, rtol=1e-3, atol=1e-5)


def test_a_part_whose_sensors_are_all_off_keeps_its_profile(grid: SensorStore) -> None:
    made = experiment(grid.path, World())
    model = made.forecaster().eval()
    part = made.parts[3]
    active = ~torch.isin(torch.arange(S), part.sensors)
    batch = made.dataset.test.batch(torch.arange(5), active.nonzero().squeeze(1))
    with torch.no_grad():
        forecast = model(batch.inputs())
    assert (forecast[:, :, part.locations] == 0).all()
    others = torch.isin(torch.arange(S), part.locations, invert=True)
    assert (forecast[:, :, others] != 0).any(0).any(0).any(-1).float().mean() > 0.8


def test_rows_of_sensors_are_found_by_their_shapes() -> None:
    found = dict(sensor_rows(MODEL, 1, [0]))
    assert found == {"backbone.node_embedding": 0, "readout.location_embedding": 0}
    adaptive = MODEL.model_validate({"backbone": "staeformer", "window": 4, "embedding": 4})
    assert sensor_rows(adaptive, 1, [0])["backbone.adaptive"] == 1


def test_an_error_table_of_some_locations_spreads_to_all() -> None:
    table = ErrorTable.zeros(1, 2, 1)
    table.add(torch.ones(3, 1, 2, 1), torch.ones(3, 1, 2, 1), torch.ones(3, 1, 2, 1).bool())
    spread = table.spread(torch.tensor([1, 4]), 5)
    assert spread.count.flatten().tolist() == [0, 3, 0, 0, 3]
    assert spread.mae() == table.mae()
