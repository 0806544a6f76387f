import torch

from dynst.models.layers.gated_aggregation import stream_morph
from dynst.models.layers.temporal import StepEncoder, Taps, shifted
from dynst.models.protocol import Shape

B, T, K, C, D, F = 2, 7, 3, 1, 4, 5
SHAPE = Shape(window=T, horizon=2, num_sensors=K, num_channels=C, num_targets=1, hidden=D)


def test_taps_over_shifts_are_a_dilated_convolution() -> None:
    taps, conv = Taps(2, D, 6), torch.nn.Conv1d(D, 6, kernel_size=2, dilation=3)
    with torch.no_grad():
        conv.weight.copy_(taps.weight.permute(2, 1, 0))
        conv.bias.copy_(taps.bias)
    states = torch.randn(T, K, B, D)
    expected = conv(states.permute(1, 2, 3, 0).flatten(0, 1))  # [K·B, 6, T − 3]
    torch.testing.assert_close(
        taps(shifted(states, 2, 3)).permute(1, 2, 3, 0).flatten(0, 1), expected
    )


def test_shifts_by_hand() -> None:
    states = torch.arange(5.0).view(5, 1, 1, 1)
    assert [tap.flatten().tolist() for tap in shifted(states, 3)] == [
        [0, 1, 2],
        [1, 2, 3],
        [2, 3, 4],
    ]
    assert [tap.flatten().tolist() for tap in shifted(states, 2, 4)] == [[0], [4]]


def test_each_state_is_of_its_own_step_and_earlier_ones_count_as_unobserved() -> None:
    encode = StepEncoder(SHAPE, F, steps=T + 2)
    readings, calendar = torch.randn(B, T, K, C), torch.randn(B, F)
    states = encode(stream_morph(readings, torch.ones_like(readings)), calendar)
    assert states.shape == (T + 2, K, B, D)
    of_calendar = encode.calendar(calendar)
    own = encode.readings(torch.tensor([readings[1, 4, 2, 0], 1.0])) + of_calendar[1]
    torch.testing.assert_close(states[2 + 4, 2, 1], own)
    torch.testing.assert_close(states[1, 0], encode.readings.bias + of_calendar)
