"""Types of settings: every number has bounds, every text a length, every list a size.

A field takes one of these types and may narrow it by ``Field(le=…)``.
"""

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

__all__ = [
    "Count",
    "Epochs",
    "Fraction",
    "Magnitude",
    "Number",
    "OpenShare",
    "Positive",
    "Seed",
    "Share",
    "Size",
    "Text",
    "Whole",
    "WholeNumber",
]

LONGEST_TEXT = 1000  # characters
UNSEEN = {"Cc", "Cs"}  # control characters, halves of a character


def _no_truth(value: Any) -> Any:
    """YAML reads yes and no as true and false, which Python counts as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def _printable(text: str) -> str:
    if any(unicodedata.category(sign) in UNSEEN for sign in text):
        raise ValueError("must have no control characters")
    return text


NotTruth = BeforeValidator(_no_truth)
Count = Annotated[int, NotTruth, Field(ge=1, le=10**9)]
Whole = Annotated[int, NotTruth, Field(ge=0, le=10**9)]
WholeNumber = Annotated[int, NotTruth, Field(ge=-(10**12), le=10**12)]
Epochs = Annotated[int, NotTruth, Field(ge=1, le=10**5)]
Size = Annotated[int, NotTruth, Field(ge=1, le=2**16)]
Seed = Annotated[int, NotTruth, Field(ge=0, le=2**63 - 1)]

Number = Annotated[float, NotTruth, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]
Positive = Annotated[float, NotTruth, Field(gt=0, le=1e15, allow_inf_nan=False)]
Magnitude = Annotated[float, NotTruth, Field(ge=0, le=1e15, allow_inf_nan=False)]
Fraction = Annotated[float, NotTruth, Field(ge=0, le=1, allow_inf_nan=False)]
Share = Annotated[float, NotTruth, Field(ge=0, lt=1, allow_inf_nan=False)]
OpenShare = Annotated[float, NotTruth, Field(gt=0, lt=1, allow_inf_nan=False)]

Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_printable)]
