"""How much each sensor matters: one file for each kind of criterion."""

from dynst.sparsity.criteria.coverage import Coverage
from dynst.sparsity.criteria.fixed import FixedScores, RandomScore
from dynst.sparsity.criteria.gradients import AbsoluteGradient, SignedFirstOrder
from dynst.sparsity.criteria.learned_gate import LearnedGate
from dynst.sparsity.criteria.protocol import Criterion
from dynst.sparsity.criteria.redrawn import Redrawn

__all__ = [
    "AbsoluteGradient",
    "Coverage",
    "Criterion",
    "FixedScores",
    "LearnedGate",
    "RandomScore",
    "Redrawn",
    "SignedFirstOrder",
]
