"""Gated mixing: the one place where sensors exchange messages."""

import torch
from torch import Tensor

__all__ = ["gated_attention", "gated_average", "stream_morph"]


def stream_morph(readings: Tensor, observed: Tensor) -> Tensor:
    """Stack time into channels, ``[B, T, K, C]`` to ``[B, K, T·2C]``, the observation mask beside the values (DynST, stream morph).

    One score for each sensor then covers all its timestamps, and no two timestamps can disagree about it.
    """
    both = torch.cat([readings, observed.to(readings.dtype)], dim=-1)  # [B, T, K, 2C]
    return both.permute(0, 2, 1, 3).flatten(2)


def gated_average(weight: Tensor, gates: Tensor | None) -> Tensor:
    """Rows of ``weight [..., L, K]`` ≥ 0, gated and normalised to sum 1; a row without any weight becomes 0."""
    gated = weight if gates is None else weight * gates
    total = gated.sum(-1, keepdim=True)
    return gated / torch.where(total > 0, total, 1.0)


def gated_attention(scores: Tensor, gates: Tensor | None) -> Tensor:
    """Softmax of ``scores [..., L, K]`` over the sensors that are on; −inf excludes a pair."""
    peak = scores.detach().amax(-1, keepdim=True)
    return gated_average((scores - peak.nan_to_num(neginf=0.0)).exp(), gates)
