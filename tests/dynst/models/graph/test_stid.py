import torch

from dynst.models.graph.stid import Stid
from dynst.models.protocol import Shape

B, T, S, C, F = 2, 5, 6, 2, 3


def network() -> Stid:
    torch.manual_seed(0)
    shape = Shape(window=T, horizon=3, num_sensors=S, num_channels=C, num_targets=1, hidden=8)
    return Stid(shape, F, torch.randn(S, 4), blocks=2)


def test_no_sensor_hears_another() -> None:
    backbone, morphed, calendar = network(), torch.randn(B, S, T * 2 * C), torch.randn(B, F)
    other = morphed.clone()
    other[:, 3] += 1.0
    change = (
        (
            backbone(other, calendar, torch.arange(S), None)
            - backbone(morphed, calendar, torch.arange(S), None)
        )
        .abs()
        .amax((0, 2))
    )
    assert (change > 0).tolist() == [False, False, False, True, False, False]


def test_identity_and_calendar_tell_equal_windows_apart() -> None:
    backbone = network()
    alike = torch.ones(2, S, T * 2 * C)
    states = backbone(
        alike, torch.tensor([[0.0, 0, 0], [1.0, 0, 0]]), torch.arange(S), None
    ).flatten(0, 1)
    apart = torch.cdist(states, states) + torch.eye(2 * S)
    assert (apart > 1e-3).all()
