"""How a model is trained, whatever its sensors: the same for dense, random and learned, so that
they can be compared.
"""

from math import cos, pi
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from dynst.bounds import Count, Magnitude, Positive, Share, Span, Steps, Whole
from dynst.training.amp import Precision
from dynst.training.compiled import Compile

__all__ = ["HOW_KEPT", "Recipe", "Sharding"]

Sharding = Literal["windows", "time"]

# settings that change no figure, or its last digits alone, as another device would
HOW_KEPT = {"checkpoint_every", "checkpoint_every_steps", "compile"}


class Recipe(BaseModel):
    """Budget and optimizer (AdamW), the same for every arm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: Span = Field(20, description="of training, warm-up included")
    steps_per_epoch: Steps | None = Field(
        None, description="at most this many steps an epoch; by default all windows once"
    )
    batch_size: Count = Field(64, description="windows in a step, over all workers")
    accumulate: Count = Field(
        1,
        description="parts of a worker's windows of a step that go through the network one by one",
    )
    precision: Precision = Field(
        "float32", description="of a forecast in training; weights and evaluation stay in float32"
    )
    compile: Compile = Field(
        "auto",
        description="compile the steps: on a GPU where a training has at least 10,000 of them, "
        "always (true), or never (false)",
    )
    sharding: Sharding = Field(
        "windows",
        description="how workers share the windows: dealt out of one shuffle, or by stretches of "
        "time, with a series that stays in its file",
    )
    parts: Count = Field(1, description="parts that a large network is cut into")
    parts_per_step: Count | None = Field(
        None,
        description="of these parts, or of the stretches of time, so many make a step, however "
        "many workers share them; by default one for each worker",
    )
    halo: Whole = Field(
        2,
        description="how far a part sees beyond its border, in steps from a location to those it "
        "receives from",
    )
    learning_rate: Positive = Field(3e-3, description="the highest, after its rise")
    weight_decay: Magnitude = Field(1e-4, description="of AdamW")
    clip_norm: Positive = Field(5.0, description="largest norm of a step's gradient")
    warmup_share: Share = Field(
        0.05, description="share of the steps in which the learning rate rises"
    )

    checkpoint_every: Count = Field(
        1, description="epochs between two checkpoints that an interrupted run goes on from"
    )
    checkpoint_every_steps: Steps | None = Field(
        None, description="also inside epochs, after every so many steps"
    )

    @property
    def own_sharding(self) -> Sharding:
        """How workers share the windows: by stretches of time only where none keeps to parts."""
        return self.sharding if self.parts == 1 else "windows"

    @property
    def is_whole(self) -> bool:
        """Whether a step has the whole network, and windows out of one shuffle."""
        return self.sharding == "windows" and self.parts == 1

    def steps_in_epoch(self, num_windows: int) -> int:
        """Whole batches only: the last, smaller one waits for another epoch's shuffle.

        Args:
            num_windows: of the training part.
        """
        full = max(1, num_windows // self.batch_size)
        return full if self.steps_per_epoch is None else min(full, self.steps_per_epoch)

    def learning_rate_at(self, step: int, total_steps: int) -> float:
        """Linear rise, then cosine decay to 0.

        Args:
            step: from 0 on.
            total_steps: of the training.
        """
        rise = max(1, int(self.warmup_share * total_steps))
        if step < rise:
            return self.learning_rate * (step + 1) / rise
        return self.learning_rate * (1 + cos(pi * (step - rise) / max(1, total_steps - rise))) / 2
