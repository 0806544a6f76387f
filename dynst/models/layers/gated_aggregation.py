"""Gated aggregation: the weights by which sensors exchange messages."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

MAX_SCORE = 30.0  # of a sensor that is off, above the best that is on; keeps its weight finite
MAX_FACTOR = 10.0
TINY = 1e-12

__all__ = [
    "gated_attention",
    "gated_average",
    "scores_by_product",
    "stream_morph",
    "stream_unmorph",
    "widened",
]


def stream_morph(readings: Tensor, observed: Tensor) -> Tensor:
    """Stack time into channels, ``[B, T, K, C]`` to ``[B, K, T·2C]``, the observation mask beside
    the values (DynST, stream morph).

    One score for each sensor then covers all its timestamps, and no two timestamps can disagree
    about it.
    """
    both = torch.cat([readings, observed.to(readings.dtype)], dim=-1)  # [B, T, K, 2C]
    return both.permute(0, 2, 1, 3).flatten(2)


def stream_unmorph(morphed: Tensor, window: int) -> Tensor:
    """Back from ``[B, K, T·2C]`` to ``[B, T, K, 2C]``, for networks that walk through time."""
    batch, sensors, size = morphed.shape
    return morphed.view(batch, sensors, window, size // window).transpose(1, 2)


def scores_by_product(embedding: int, sharpness: Sequence[float]) -> nn.Linear:
    """Queries, or keys, of a head for each ``sharpness``: the scores begin as the dot products of
    two embeddings times it.
    """
    linear = nn.Linear(embedding, len(sharpness) * embedding, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.cat([factor**0.5 * torch.eye(embedding) for factor in sharpness]))
    return linear


def gated_average(weight: Tensor, gates: Tensor | None) -> Tensor:
    """Rows of ``weight [..., L, K]`` ≥ 0, gated and normalised to sum 1.

    A row without any weight becomes 0.
    """
    if gates is None:
        return weight / _not_zero(weight.sum(-1, keepdim=True))
    if gates.requires_grad:
        gates = _toggled(gates, weight.detach())
    gated = weight * gates
    return gated / _not_zero(gated.sum(-1, keepdim=True))


def gated_attention(scores: Tensor, gates: Tensor | None) -> Tensor:
    """Softmax of ``scores [..., L, K]`` over the sensors that are on; −inf excludes a pair."""
    scores = widened(scores)
    on = scores if gates is None else scores.masked_fill(gates == 0, -torch.inf)
    peak = on.detach().amax(-1, keepdim=True).nan_to_num(neginf=0.0)
    return gated_average((scores - peak).clamp(max=MAX_SCORE).exp(), gates)


def widened(values: Tensor) -> Tensor:
    """At least float32: half a float has no room for ``exp(MAX_SCORE)``, nor enough digits for a
    long sum.
    """
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _toggled(gates: Tensor, weight: Tensor) -> Tensor:
    """The same gates, ``[..., L, K]``, whose gradient is that of switching a sensor on or off
    instead of moving its gate a little.

    Let sensor j have the weight w in a row whose active weights sum to W. Switching it on moves the
    row's average m towards j's message h by w / (W + w) · (h − m), while the derivative at gate 0
    says w / W · (h − m), which has no bound. Switching it off moves m by −w / (W − w) · (h − m),
    while the derivative at gate 1 says w / W · (h − m). Both factors are put right here, so that
    active and inactive sensors are compared by what a switch would do; MAX_FACTOR bounds them where
    one sensor is nearly alone.
    """
    fixed = gates.detach()
    total = (weight * fixed).sum(-1, keepdim=True)
    after = torch.where(fixed > 0, total - weight, total + weight)
    factor = (total / after.clamp(min=1e-12)).clamp(max=MAX_FACTOR)
    return fixed + (gates - fixed) * factor


def _not_zero(total: Tensor) -> Tensor:
    """A total too small to be squared in float32, as its derivative needs, counts as no weight at
    all.
    """
    return torch.where(total > TINY, total, 1.0)
