"""What an experiment is made from, beside its store: plain settings that are checked when they are
read.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from dynst.bounds import Fraction, Seed, Text
from dynst.data.scaler import SeasonName
from dynst.models.factory import ModelConfig
from dynst.selection.search import SearchConfig
from dynst.sparsity.config import SparsityConfig
from dynst.training.config import Recipe

__all__ = ["ExperimentConfig", "Targets"]

Targets = Annotated[tuple[Text, ...], Field(max_length=1000)]


class ExperimentConfig(BaseModel):
    """All settings that change a figure.

    Args:
        targets: channels to forecast, by default the first of the store.
        season: period of the seasonal profile that the scaler takes away.
        split: chronological fractions of the training, validation and test part.
        model: architecture of the forecaster.
        training: epochs, batches, learning rate.
        sparsity: which sensors are switched off, how many, and when.
        search: how long the scheme ``searched`` searches.
        seed: of all random streams.

    Example:
        >>> ExperimentConfig(sparsity=SparsityConfig(final=0.5), seed=3).sparsity.final
        0.5
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    targets: Targets = ()
    season: SeasonName = "auto"
    split: tuple[Fraction, Fraction, Fraction] = (0.7, 0.1, 0.2)
    model: ModelConfig = ModelConfig()
    training: Recipe = Recipe()
    sparsity: SparsityConfig = SparsityConfig()
    search: SearchConfig = SearchConfig()
    seed: Seed = 0
