"""Every backbone in half precision: forecasts and importance are near those of float32, and
importance is float32.
"""

import pytest
import torch
from torch import Tensor

from dynst.data.windows import ForecastInputs
from dynst.models.forecaster import SparseForecaster
from tests.contracts.test_backbones import VARIANTS, S, inputs, made

GATES = (torch.arange(S) % 3 > 0).float()


def probed(model: SparseForecaster, dtype: torch.dtype, enabled: bool) -> tuple[Tensor, Tensor]:
    """The forecast, and the gradient that the gates receive."""
    readings, observed, calendar = inputs()
    gates = GATES.clone().requires_grad_()
    with torch.autocast("cpu", dtype=dtype, enabled=enabled):
        forecast = model(ForecastInputs(readings, observed, calendar, torch.arange(S), gates))
    forecast.float().square().mean().backward()
    assert gates.grad is not None
    return forecast.detach(), gates.grad


@pytest.mark.parametrize("variant", VARIANTS, ids="-".join)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
def test_half_precision_is_near_float32(variant: tuple[str, str], dtype: torch.dtype) -> None:
    model = made(*variant)
    (exact, importance), (rough, near) = (
        probed(model, dtype, enabled) for enabled in (False, True)
    )
    assert near.dtype == torch.float32
    assert 0 < (rough - exact).norm() < 0.02 * exact.norm()
    assert 0 < (near - importance).norm() < 0.05 * importance.norm()
    readings, observed, calendar = inputs()
    with torch.autocast("cpu", dtype=dtype):
        compact = model(
            ForecastInputs(readings[:, :, :5], observed[:, :, :5], calendar, torch.arange(5))
        )
    assert compact.isfinite().all()
