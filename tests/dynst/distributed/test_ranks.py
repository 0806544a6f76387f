"""Two real processes connected by gloo: the same mask on both, and batches of any size.

A mask that differs is noticed.
"""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from dynst.data.store import SensorStore, open_store
from dynst.distributed.consensus import RanksDiffer, check_consensus
from dynst.distributed.running_buffers import average_running_buffers
from dynst.distributed.world import World, current_world
from dynst.experiment.config import ExperimentConfig
from dynst.experiment.experiment import Experiment
from dynst.models.factory import ModelConfig
from dynst.sparsity.config import SparsityConfig
from dynst.training.config import Recipe, Sharding
from tests.conftest import SMALL

MODEL = ModelConfig(window=6, horizon=3, hidden=8, backbone=SMALL, embedding=4)
SPARSITY = SparsityConfig(final=0.5, rounds=3, probe_every=2)
BATCH = 13  # 7 windows for one rank, 6 for the other
pytestmark = pytest.mark.process


def experiment(path: Path, sharding: Sharding, world: World, parts: int = 1) -> Experiment:
    store = open_store(path)
    recipe = Recipe(
        epochs=3,
        steps_per_epoch=4,
        batch_size=BATCH,
        sharding=sharding,
        checkpoint_every_steps=3,
        parts=parts,
        parts_per_step=3,
        halo=1,
    )
    return Experiment(
        store, ExperimentConfig(model=MODEL, training=recipe, sparsity=SPARSITY), world
    )


def trained(path: Path, sharding: Sharding, world: World, parts: int = 1) -> dict:
    """What the first rank's training holds after two steps of its last epoch, and all ranks' masks
    and errors at the end.
    """
    training = experiment(path, sharding, world, parts).learned().training
    paused: list[dict] = []
    reports = list(training.run(pause=lambda: paused.append(training.state_dict())))
    return {
        "mask": training.scheme.active,
        "val": [report.val_mae for report in reports],
        "train": [report.train_loss for report in reports],
        "loss": [state["loss"] for state in paused],
        "weights": training.model.state_dict(),
        "scores": training.scheme.criterion.scores(training.scheme.active),
    }


def buffers_together(rank: int, world: World) -> dict[str, torch.Tensor]:
    """A mean and a count that differ, and what is the same everywhere, with a gap in it."""
    module = torch.nn.Module()
    module.register_buffer("mean", torch.tensor([0.0, 1.0]) + rank)
    module.register_buffer("count", torch.tensor([10 + rank]))
    module.register_buffer("fixed", torch.tensor([7.0, torch.nan]))
    sent: list[torch.Tensor] = []
    with pytest.MonkeyPatch.context() as patch:
        reduce = World.all_reduce

        def counted(world: World, value: torch.Tensor) -> torch.Tensor:
            sent.append(value)
            return reduce(world, value)

        patch.setattr(World, "all_reduce", counted)
        average_running_buffers(module.buffers(), world)
    assert [len(value) for value in sent] == [2], "what is the same is not sent"
    return dict(module.named_buffers())


def on_rank(rank: int, folder: Path, store: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    world = current_world()
    found: dict = {sharding: trained(store, sharding, world) for sharding in ("windows", "time")}
    found["parts"] = trained(store, "windows", world, parts=3)
    active = torch.arange(8) < 5
    check_consensus(40, active, world)
    try:
        check_consensus(40, active ^ torch.tensor([rank == 1] + [False] * 7), world)
    except RanksDiffer as error:
        found["stray"] = str(error)
    found["buffers"] = buffers_together(rank, world)
    found["every"] = world.all_gather(torch.full((3,), rank, dtype=torch.uint8))
    torch.save(found, folder / f"rank-{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory, network: SensorStore) -> list[dict]:
    folder = tmp_path_factory.mktemp("ranks")
    mp.spawn(on_rank, (folder, network.path), nprocs=2)
    return [torch.load(folder / f"rank-{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("run", ["windows", "time", "parts"])
def test_two_ranks_end_with_one_mask_and_one_error(ranks: list[dict], run: str) -> None:
    """The windows of the training part are no multiple of the batch, nor the batch of the ranks,
    nor the parts.
    """
    one, other = (rank[run] for rank in ranks)
    assert torch.equal(one["mask"], other["mask"])
    assert int(one["mask"].sum()) == 4
    assert one["val"] == other["val"]
    assert one["train"] == other["train"]
    assert all(torch.equal(value, other["weights"][name]) for name, value in one["weights"].items())


def test_two_ranks_on_different_parts_gather_one_importance_of_every_sensor(
    ranks: list[dict],
) -> None:
    one, other = (rank["parts"]["scores"] for rank in ranks)
    assert torch.equal(one, other)
    assert (one != 0).all()
    assert not torch.equal(one, ranks[0]["windows"]["scores"])


@pytest.mark.parametrize(
    ("run", "sharding", "parts"),
    [("windows", "windows", 1), ("time", "time", 1), ("parts", "windows", 3)],
)
def test_two_ranks_train_as_one_does(
    ranks: list[dict], network: SensorStore, run: str, sharding: Sharding, parts: int
) -> None:
    """Three shares make a step; the first rank has two of them."""
    alone = trained(network.path, sharding, World(), parts)
    assert len(experiment(network.path, sharding, World()).dataset.train) % BATCH
    assert torch.equal(ranks[0][run]["mask"], alone["mask"])
    assert ranks[0][run]["train"] == pytest.approx(alone["train"], rel=1e-4)
    assert ranks[0][run]["val"] == pytest.approx(alone["val"], rel=1e-3)
    torch.testing.assert_close(ranks[0][run]["scores"], alone["scores"], rtol=1e-2, atol=1e-5)


def test_what_a_network_keeps_of_its_batches_is_the_mean_over_ranks(ranks: list[dict]) -> None:
    for rank in ranks:
        assert rank["buffers"]["mean"].tolist() == [0.5, 1.5]
        assert rank["buffers"]["fixed"].tolist()[0] == 7
        assert rank["buffers"]["fixed"].isnan().tolist() == [False, True]
        assert rank["buffers"]["count"].tolist() == [10]


def test_the_first_rank_keeps_the_loss_of_both_inside_an_epoch(
    ranks: list[dict], network: SensorStore
) -> None:
    alone, (one, other) = (
        trained(network.path, "windows", World()),
        (rank["windows"] for rank in ranks),
    )
    assert len(alone["loss"]) == len(one["loss"]) == 3, (
        "after steps 3, 6 and 9: the twelfth ends an epoch"
    )
    for mine, its, whole in zip(one["loss"], other["loss"], alone["loss"], strict=True):
        assert mine.tolist() == pytest.approx(whole.tolist(), rel=1e-4)
        assert its.tolist() == [0, 0]


def test_a_stray_mask_stops_every_rank_and_is_named(ranks: list[dict]) -> None:
    assert ranks[0]["stray"] == ranks[1]["stray"]
    assert (
        "the mask that rank 0 holds at step 40, but rank 1 at step 40 holds another"
        in ranks[0]["stray"]
    )


def test_what_every_rank_has_is_known_to_all(ranks: list[dict]) -> None:
    assert all(rank["every"].tolist() == [[0, 0, 0], [1, 1, 1]] for rank in ranks)
    assert World().all_gather(torch.arange(2)).tolist() == [[0, 1]]
