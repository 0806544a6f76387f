"""What ``import dynst`` offers, pinned and documented: a name that goes, or that comes unasked, or
a parameter that nobody explained, is seen here.
"""

import doctest
import inspect
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from operator import attrgetter
from typing import Any

import pytest
from pydantic import BaseModel

import dynst
from dynst.data.store import SensorStore

OFFERED = """
    Arm ArmKind Artifact ArtifactError CheckpointError ConfigError DataError DynstError Edges
    ErrorTable Evaluation Experiment ExperimentConfig ModelConfig Recipe SearchConfig SensorStore
    Sensors SparsityConfig StoreWriter Supernet __version__ evaluate import_store load_artifact
    open_store save_arm train
"""
WITH_EXAMPLE = """
    Artifact.forecast
    ErrorTable Experiment ExperimentConfig Sensors SparsityConfig StoreWriter Supernet evaluate
    import_store load_artifact open_store save_arm train
"""
NAMES = [name for name in OFFERED.split() if not name.startswith("__")]


def test_exactly_these_names_are_offered_and_each_is_there() -> None:
    assert dynst.__all__ == OFFERED.split() == dir(dynst)
    for name in dynst.__all__:
        assert getattr(dynst, name) is not None


def test_a_training_takes_four_lines(network: SensorStore, tmp_path) -> None:
    model = dynst.ModelConfig(window=3, horizon=2, hidden=8, embedding=2)
    recipe = dynst.Recipe(epochs=5, steps_per_epoch=4, batch_size=16)
    experiment = dynst.Experiment(
        dynst.open_store(network.path), dynst.ExperimentConfig(model=model, training=recipe)
    )
    arm = dynst.train(experiment, experiment.learned())
    errors = dynst.evaluate(experiment, arm).errors
    assert int(arm.active.sum()) == 4
    assert errors.mae() < 20
    dynst.save_arm(tmp_path / "model", experiment, arm)
    assert dynst.load_artifact(tmp_path / "model").description.active == tuple(arm.active.tolist())


def documented(kind: type) -> Iterator[Callable[..., Any]]:
    """The public methods that a class defines itself."""
    for name, member in vars(kind).items():
        function = getattr(member, "__func__", member)
        if not name.startswith("_") and inspect.isfunction(function):
            yield function


def missing(docstring: str, parameters: list[str]) -> list[str]:
    """Those without a line ``name: …``, or without a mention in code font."""
    return [
        name
        for name in parameters
        if not re.search(rf"(^|,)\s*{name}(, \w+)*: ", docstring, re.MULTILINE)
        and not re.search(rf"``{name}\b", docstring)
    ]


def parameters_of(function: Callable[..., Any]) -> list[str]:
    names = list(inspect.signature(function).parameters)
    return [name for name in names if name not in ("self", "cls", "args", "kwargs")]


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_explained(name: str) -> None:
    offered = getattr(dynst, name)
    text = inspect.getdoc(offered) or ""
    assert text, f"{name} has no docstring"
    lacking: dict[str, list[str]] = {}
    if inspect.isfunction(offered):
        lacking[name] = missing(text, parameters_of(offered))
    elif issubclass(offered, BaseModel):
        fields = offered.model_fields.items()
        lacking[name] = missing(text, [key for key, field in fields if not field.description])
    elif not issubclass(offered, Exception | str):
        lacking[name] = missing(text, parameters_of(offered))
    if inspect.isclass(offered):
        for method in documented(offered):
            own = inspect.getdoc(method) or ""
            assert own, f"{name}.{method.__name__} has no docstring"
            lacking[method.__name__] = missing(own, parameters_of(method))
    assert not {where: names for where, names in lacking.items() if names}


def test_a_parameter_without_a_word_is_seen() -> None:
    assert missing("Does it.\n\nArgs:\n    one: of them.", ["one", "other"]) == ["other"]
    assert missing("Does it with ``one``.", ["one"]) == []


@pytest.mark.parametrize("name", WITH_EXAMPLE.split())
def test_these_have_an_example(name: str) -> None:
    assert ">>> " in (inspect.getdoc(attrgetter(name)(dynst)) or "")


def test_examples_that_need_no_file_give_what_they_say() -> None:
    """The others are marked to be skipped."""
    import numpy as np
    import torch

    ran = 0
    for module in sorted({f"dynst.{part}" for part in dynst._MODULES}):
        loaded = import_module(module)
        found = doctest.testmod(loaded, extraglobs={"torch": torch, "np": np})
        assert found.failed == 0, module
        ran += found.attempted
    assert ran >= 6
