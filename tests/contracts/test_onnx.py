"""A compact network as an ONNX file, run by onnxruntime: the same numbers, whatever the clock says
and whatever is missing.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dynst.models.inference import ServedForecaster
from dynst.models.registry import BACKBONES
from tests.contracts.test_backbones import CLOSE, C, T, forms, made, random_active

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

ACTIVE = random_active(2)
WEEKS = (0, 11, 40)  # after the first window
COMPACT = [name for name in BACKBONES if forms(name) != ["everywhere"]]
FORMS = [(name, forms(name)[0]) for name in COMPACT] + [
    ("morph_graph", "neighbour_lists")
]  # all share both geometries


def exported(served: ServedForecaster, given: tuple[Tensor, Tensor], path: Path) -> Any:
    """A session of onnxruntime over the file."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    program = torch.onnx.export(
        served, given, dynamo=True, verbose=False, input_names=["time", "readings"]
    )
    assert program is not None
    program.save(path)
    return onnxruntime.InferenceSession(str(path))


@pytest.mark.filterwarnings("ignore")  # of exporters about themselves
@pytest.mark.parametrize("variant", FORMS, ids="-".join)
def test_an_onnx_file_forecasts_what_the_network_does(
    variant: tuple[str, str], tmp_path: Path
) -> None:
    served = ServedForecaster(made(*variant).eval(), ACTIVE, torch.tensor([1]), 3600).eval()
    time, readings = (
        3600 * torch.arange(T),
        torch.randn(T, int(ACTIVE.sum()), C, generator=torch.Generator().manual_seed(0)),
    )
    readings[1, 0] = torch.nan
    session = exported(served, (time, readings), tmp_path / "model.onnx")
    for weeks in WEEKS:
        when, seen = time + 604_800 * weeks + 3600 * weeks, readings.roll(weeks, dims=0)
        [found] = session.run(None, {"time": when.numpy(), "readings": seen.numpy()})
        np.testing.assert_allclose(found, served(when, seen).detach().numpy(), **CLOSE)
