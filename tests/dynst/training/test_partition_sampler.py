"""Which part is trained on when, and which sensors send messages in it.

Parts together measure what the whole network would.
"""

from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from dynst.data.edges import Edges
from dynst.data.partition import Subgraph, cut_into_subgraphs
from dynst.data.store import SensorStore, open_store
from dynst.data.synthetic import write_synthetic_field
from dynst.distributed.world import World
from dynst.errors import ConfigError
from dynst.evaluation.peak_memory import peak_memory
from dynst.experiment.config import ExperimentConfig
from dynst.experiment.dataset import check_parts, make_dataset, parts_of
from dynst.experiment.experiment import Experiment
from dynst.models.factory import ModelConfig
from dynst.sparsity.config import SparsityConfig
from dynst.sparsity.constraints.sensor_layout import Network, network_of
from dynst.sparsity.scheme import StepSensors
from dynst.training.config import Recipe
from dynst.training.partition_sampler import PartitionSampler, StepKind, within
from dynst.training.step_shares import StepShares
from tests.conftest import SMALL, write_network

S = 8
MODEL = ModelConfig(
    window=6, horizon=3, hidden=8, backbone=SMALL, embedding=4, neighbours=3, location_blocks=1
)
RECIPE = Recipe(epochs=3, steps_per_epoch=4, batch_size=16, parts=3, halo=1)
SPARSITY = SparsityConfig(final=0.5, rounds=3, probe_every=2)


def parts(count: int = 3) -> tuple[Subgraph, ...]:
    return cut_into_subgraphs(torch.arange(S)[:, None] - 1, np.arange(S)[:, None], count, hops=1)


def rotation(count: int = 3, world: World | None = None, seed: int = 0) -> PartitionSampler:
    world = world or World()
    shares = StepShares(world.size, (world.rank,))
    return PartitionSampler(parts(count), S, seed, world, shares)


def turn(one: PartitionSampler, number: int, kind: StepKind = StepKind.TRAINING) -> tuple[int, ...]:
    (part,) = one.mine(one.numbers_at(number, kind))
    return tuple(part.locations.tolist())


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_all_parts_have_their_turn_equally_often_and_stay_with_a_rank(size: int) -> None:
    ranks = [rotation(6, World(rank, size)) for rank in range(size)]
    for kind in StepKind:
        drawn = [{turn(rank, number, kind) for number in range(6 // size)} for rank in ranks]
        assert sum(map(len, drawn)) == len(set().union(*drawn)) == 6
        again = [turn(rank, number, kind) for rank in ranks for number in range(6)]
        assert set(Counter(again).values()) == {size}
        assert all({turn(rank, 6, kind)} <= own for rank, own in zip(ranks, drawn, strict=True))
        assert ranks[0].turns == 6 // size


def test_turns_depend_on_seed_turn_and_kind_alone() -> None:
    orders = [
        [turn(rotation(8, seed=seed), number, kind) for number in range(8)]
        for seed in (0, 1)
        for kind in StepKind
    ]
    assert orders[0] == [turn(rotation(8), number) for number in range(8)]
    assert len({tuple(order) for order in orders}) == 6


def test_a_whole_network_has_no_part() -> None:
    whole = PartitionSampler((), S, 0, World(), StepShares(1, (0,)))
    assert whole.numbers_at(3, StepKind.PROBES) == whole.mine([]) == []
    assert whole.turns == 1


def test_a_rank_with_several_shares_has_the_parts_of_several_ranks() -> None:
    apart = [rotation(8, World(rank, 4)) for rank in range(4)]
    alone = PartitionSampler(parts(8), S, 0, World(), StepShares(4, (0, 1, 2, 3)))
    for number in range(8):
        numbers = alone.numbers_at(number, StepKind.PROBES)
        assert all(one.numbers_at(number, StepKind.PROBES) == numbers for one in apart)
        theirs = [part for one in apart for part in one.mine(numbers)]
        assert all(
            torch.equal(own.locations, its.locations)
            for own, its in zip(alone.mine(numbers), theirs, strict=True)
        )


def test_a_part_hears_the_steps_sensors_that_it_holds() -> None:
    part = Subgraph(torch.tensor([2, 3]), torch.tensor([1, 2, 3]))
    index = torch.tensor([0, 1, 3, 6])
    assert within(StepSensors(index, None), part).index.tolist() == [1, 3]
    found = within(StepSensors(index, torch.tensor([1.0, 0, 0.5, 0])), part)
    assert found.gates is not None
    assert (found.index.tolist(), found.gates.tolist()) == ([1, 3], [0, 0.5])


def test_where_all_of_a_part_are_off_nothing_is_read() -> None:
    part = Subgraph(torch.tensor([3]), torch.tensor([3, 4]))
    elsewhere = within(StepSensors(torch.tensor([0, 1, 2, 5, 6, 7]), None), part)
    gated = within(StepSensors(torch.arange(S), (torch.arange(S) == 7).float()), part)
    assert gated.gates is not None
    assert len(elsewhere.index) == len(gated.index) == len(gated.gates) == 0


def test_parts_estimate_each_gates_gradient_without_bias() -> None:
    """By hand: part p moves sensor j by effect[p, j].

    The whole loss is the mean of the parts' losses.
    """
    one = rotation()
    effect = torch.stack(
        [torch.rand(S) * torch.isin(torch.arange(S), part.sensors) for part in one.parts]
    )
    seen = [
        one.together([StepSensors(part.sensors, None)], [effect[p, part.sensors]])
        for p, part in enumerate(one.parts)
    ]
    for part, estimate in zip(one.parts, seen, strict=True):
        assert torch.equal((~estimate.isnan()).nonzero().squeeze(1), part.sensors)
    torch.testing.assert_close(torch.stack(seen).nanmean(0), effect.mean(0))
    three = PartitionSampler(one.parts, S, 0, World(), StepShares(3, (0, 1, 2)))
    mine = [StepSensors(part.sensors, None) for part in one.parts]
    gradients = [effect[p, part.sensors] / 3 for p, part in enumerate(one.parts)]  # of their mean
    torch.testing.assert_close(three.together(mine, gradients), effect.mean(0))


def test_a_part_whose_sensors_are_off_measures_nobody() -> None:
    one, part = rotation(), parts()[0]
    assert one.together([StepSensors(part.sensors[:0], None)], [None]).isnan().all()


def experiment(
    network: SensorStore,
    recipe: Recipe,
    sparsity: SparsityConfig = SPARSITY,
    world: World | None = None,
) -> Experiment:
    dataset = make_dataset(network, MODEL)
    return Experiment(
        network,
        ExperimentConfig(model=MODEL, training=recipe, sparsity=sparsity),
        world,
        dataset=dataset,
    )


def test_one_part_is_the_whole_network(network: SensorStore) -> None:
    whole, one = (
        experiment(network, RECIPE.model_copy(update={"parts": 1, "halo": halo})).learned()
        for halo in (0, 2)
    )
    for arm in (whole, one):
        list(arm.training.run())
    assert torch.equal(whole.active, one.active)
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            whole.training.model.parameters(), one.training.model.parameters(), strict=True
        )
    )


@pytest.mark.parametrize("criterion", ["signed_first_order", "learned_gate"])
def test_a_training_on_parts_ends_with_the_sensors_asked_for_and_resumes(
    network: SensorStore, criterion: str
) -> None:
    sparsity = SPARSITY.model_copy(update={"criterion": criterion, "candidates": 2})
    whole, first, second = (
        experiment(network, RECIPE, sparsity).learned().training for _ in range(3)
    )
    list(whole.run())
    list(first.run(2))
    second.load_state_dict(first.state_dict())
    list(second.run())
    assert int(whole.scheme.active.sum()) == 4
    assert whole.scheme.criterion.scores(whole.scheme.active).isfinite().all()
    assert torch.equal(whole.scheme.active, second.scheme.active)
    assert all(
        torch.equal(a, b)
        for a, b in zip(whole.model.parameters(), second.model.parameters(), strict=True)
    )


def test_a_halo_of_all_gives_the_gradients_of_the_whole_network(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Two parts that receive from all sensors: their mean gradient is that of the network.

    Of weights and of gates.
    """
    network = write_network(
        tmp_path_factory.mktemp("stores") / "even", num_sensors=6, num_steps=24 * 21
    )
    arms = [
        experiment(network, RECIPE.model_copy(update={"parts": parts, "halo": 6}))
        .learned()
        .training
        for parts in (1, 2)
    ]
    cut = arms[1].rotation.parts
    assert [len(part.sensors) for part in cut] == [6, 6]
    probe = StepSensors(torch.arange(6), torch.tensor([1.0, 0, 1, 1, 0, 1]))
    index = torch.tensor(
        [
            window
            for window in range(200)
            if arms[0].train.batch(torch.tensor([window]), probe.index).target_observed.all()
        ][:4]
    )
    seen: list[torch.Tensor] = []
    for training, rounds in zip(arms, [[[]], [[0], [1]]], strict=True):
        training.scheme.observe = lambda sensors, gradient: seen.append(gradient)  # type: ignore[method-assign]
        weights = []
        for parts in rounds:
            training._measure([index], probe, parts)
            (weight,) = [
                weight
                for name, weight in training.model.named_parameters()
                if name.endswith("readout.forecast.weight")
            ]
            assert weight.grad is not None
            weights.append(weight.grad.clone())
        seen.append(torch.stack(weights).mean(0))
    whole, of_whole, one, other, of_parts = seen
    torch.testing.assert_close((one + other) / 2, whole, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(of_parts, of_whole, rtol=1e-4, atol=1e-6)


def test_a_probe_of_a_part_needs_the_memory_of_the_part(tmp_path: Path) -> None:
    """Quarters with their halo: what stays whole is the table of embeddings and its gradient."""
    write_synthetic_field(tmp_path / "field", 2_000, 160)
    network, peaks = open_store(tmp_path / "field"), []
    for number in (1, 4):
        training = (
            experiment(network, RECIPE.model_copy(update={"parts": number, "batch_size": 8}))
            .learned()
            .training
        )
        probe = StepSensors(torch.arange(2_000), torch.ones(2_000))
        parts = training.rotation.numbers_at(0, StepKind.PROBES)
        peaks.append(peak_memory(partial(training._measure, [torch.arange(8)], probe, parts)))
    assert peaks[1] < 0.4 * peaks[0]


def test_what_cannot_be_cut_is_refused(network: SensorStore) -> None:
    known, recipe = network_of(network), RECIPE.model_copy(update={"parts": 9})
    uneven = RECIPE.model_copy(update={"parts": 8, "parts_per_step": 3})
    with pytest.raises(
        ConfigError,
        match=r"parts must be a multiple of training\.parts_per_step, but got 8 and 3; set "
        r"training\.parts_per_step to 2",
    ):
        check_parts(known, MODEL, network.edges, uneven)
    with pytest.raises(ConfigError, match="at most the 8 sensors, but got 9; lower it"):
        check_parts(known, MODEL, network.edges, recipe)
    with pytest.raises(
        ConfigError, match=r"training\.parts 3 needs to know which sensors receive from which"
    ):
        check_parts(known, MODEL, Edges.none(), RECIPE)
    pictures = MODEL.model_copy(
        update={"backbone": ModelConfig.model_validate({"backbone": "unet"}).backbone}
    )
    with pytest.raises(
        ConfigError, match="must be 1 for a backbone that reads every location, but got 3 with unet"
    ):
        check_parts(known, pictures, network.edges, RECIPE)


def test_without_positions_the_graph_is_cut(network: SensorStore) -> None:
    known = Network(network.sensors, None)
    assert len(parts_of(known, MODEL, network.edges, RECIPE)) == 3


@pytest.mark.parametrize(("start", "fits"), [(0.45, False), (0.5, True)])
def test_no_sensor_goes_before_each_part_was_measured(
    network: SensorStore, start: float, fits: bool
) -> None:
    """12 steps, three parts, one in a step, and a probe every other step: at step 6 they are."""
    sparsity = SPARSITY.model_copy(update={"start": start, "dropout": False})
    made = Experiment(network, ExperimentConfig(model=MODEL, training=RECIPE, sparsity=sparsity))
    if fits:
        made.check_scheme()
        made.learned()
        return
    for ask in (made.check_scheme, made.learned):
        with pytest.raises(
            ConfigError, match=r"each part once in 3 of them; raise .* at step 6 or later"
        ):
            ask()
