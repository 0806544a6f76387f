"""Types of settings: every number has bounds, every text a length, every list a size.

A field takes one of these types as it is: pydantic lets the bounds of a type hold where those of
``Field`` differ.
"""

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

__all__ = [
    "LEAST_PORTION",
    "Count",
    "Few",
    "FewOrNone",
    "Fraction",
    "Magnitude",
    "Number",
    "OpenShare",
    "Portion",
    "Positive",
    "Seed",
    "Share",
    "Size",
    "Span",
    "Steps",
    "Text",
    "Whole",
    "WholeNumber",
]

LONGEST_TEXT = 1000  # characters
LEAST_PORTION = 0.01  # of what is shared out, such as a GPU
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
Few = Annotated[int, Field(ge=1, le=1000), NotTruth]
FewOrNone = Annotated[int, Field(ge=0, le=1000), NotTruth]
Span = Annotated[int, Field(ge=1, le=10**5), NotTruth]
Count = Annotated[int, Field(ge=1, le=10**6), NotTruth]
Whole = Annotated[int, Field(ge=0, le=10**6), NotTruth]
Steps = Annotated[int, Field(ge=1, le=10**9), NotTruth]
Size = Annotated[int, Field(ge=1, le=2**16), NotTruth]
WholeNumber = Annotated[int, Field(ge=-(10**12), le=10**12), NotTruth]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1), NotTruth]

# floats as float32 holds them
Number = Annotated[float, Field(ge=-1e38, le=1e38, allow_inf_nan=False), NotTruth]
Positive = Annotated[float, Field(gt=0, le=1e38, allow_inf_nan=False), NotTruth]
Magnitude = Annotated[float, Field(ge=0, le=1e38, allow_inf_nan=False), NotTruth]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), NotTruth]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False), NotTruth]
Portion = Annotated[float, Field(ge=LEAST_PORTION, le=1, allow_inf_nan=False), NotTruth]
OpenShare = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False), NotTruth]

Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_printable)]
