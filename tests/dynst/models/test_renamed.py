"""Old names of weights, constructor parameters and methods are still read."""

import logging

import pytest
import torch
from torch import Tensor, nn

from dynst.models.constructor_args import OLD_NAMES, PARTS
from dynst.models.layers.dense_topology import DenseTopology
from dynst.models.registry import checked_options, wanted_parts
from dynst.models.renamed import read_old_names
from dynst.notices import NOTICES, notice


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.new = nn.Linear(2, 2)
        read_old_names(self, {"old": "new", "gone": "scale"})
        self.scale = nn.Parameter(torch.zeros(2))


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Inner(), Inner()])
        self.old = nn.Linear(1, 1)  # nobody renamed this one


def old_state(module: Outer) -> dict[str, Tensor]:
    def was(key: str) -> str:
        return (
            key.replace(".new.", ".old.").replace(".scale", ".gone")
            if key.startswith("layers")
            else key
        )

    return {was(key): torch.rand_like(value) for key, value in module.state_dict().items()}


def test_old_names_fill_todays_members_and_nothing_else() -> None:
    module = Outer()
    state = old_state(module)
    assert "layers.0.old.weight" in state
    assert "layers.1.gone" in state
    kept = dict(state)
    module.load_state_dict(state)
    assert state == kept, "the caller's state stays as it is"
    assert torch.equal(module.layers[1].new.weight, kept["layers.1.old.weight"])
    assert torch.equal(module.layers[0].scale, kept["layers.0.gone"])
    assert torch.equal(module.old.weight, kept["old.weight"])
    again = Outer()
    again.load_state_dict(module.state_dict())
    assert torch.equal(again.layers[1].new.weight, module.layers[1].new.weight)


def test_a_weight_that_is_absent_is_still_an_error() -> None:
    module = Outer()
    state = old_state(module)
    state.pop("layers.0.old.weight")
    with pytest.raises(RuntimeError, match=r"layers\.0\.new\.weight"):
        module.load_state_dict(state)


def test_constructors_may_ask_by_the_old_names() -> None:
    for old, new in OLD_NAMES.items():
        assert PARTS[old] is PARTS[new]


def test_a_topologys_old_methods_answer_with_a_notice(caplog: pytest.LogCaptureFixture) -> None:
    notice.cache_clear()
    topology, sensors = DenseTopology(torch.rand(4, 4)), torch.arange(3)
    values = torch.randn(1, 1, 3, 2)
    with caplog.at_level(logging.WARNING, NOTICES):
        for _ in range(2):
            old = topology.among(sensors, None).average()(values)
            old_everywhere = topology.everywhere(sensors, None).average()(values)
    assert torch.equal(old, topology.sensor_to_sensor(sensors, None).average()(values))
    expected = topology.sensor_to_location(sensors, None).average()(values)
    assert torch.equal(old_everywhere, expected)
    assert len(caplog.messages) == 2, "each once"


class WithOption(nn.Module):
    def __init__(self, window: int, *, topology: str = "ring") -> None:
        super().__init__()


def test_an_option_whose_name_became_a_part_stays_an_option() -> None:
    assert wanted_parts(WithOption, PARTS) == ["window"]
    assert checked_options(WithOption, {}, PARTS) == {"topology": "ring"}
    assert checked_options(WithOption, {"topology": "star"}, PARTS) == {"topology": "star"}
