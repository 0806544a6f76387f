"""A training whose figures are no numbers any more."""

from math import isfinite

from dynst.errors import DivergedError
from dynst.training.config import Recipe

__all__ = ["refuse_diverged"]


def refuse_diverged(what: str, value: float, epoch: int, recipe: Recipe) -> None:
    """End a training that cannot come to anything.

    Args:
        what: the figure that is looked at.
        value: of it, the same on every rank.
        epoch: that has just ended, from 1.
        recipe: of the training.

    Raises:
        DivergedError: the figure is infinite or no number.
    """
    if isfinite(value):
        return
    precision = "" if recipe.precision == "float32" else ", set training.precision to float32"
    raise DivergedError(
        f"{what} must be a finite number, but is {value} after epoch {epoch}: the training has "
        f"diverged; lower training.learning_rate (now {recipe.learning_rate:g}){precision}, or "
        f"look for readings far beyond all others with dynst data describe"
    )
