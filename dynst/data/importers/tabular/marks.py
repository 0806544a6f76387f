"""Texts that stand where a reading is missing."""

__all__ = ["USUAL_MARKS", "null_texts"]

WORDS = ("nan", "na", "n/a", "null", "none", "nil", "missing", "unavailable", "unknown", "nodata")
SIGNS = ("", "-", "--", "---", ".", "..", "?", "#N/A", "#NA", "#N/A N/A", "<NA>", "NaN", "-nan")
OTHERS = ("-NaN", "NaT", "nat", "NAT", "1.#QNAN", "-1.#IND", "1.#IND", "-1.#QNAN", "\\N", "no data")
USUAL_MARKS = tuple(
    dict.fromkeys(
        (*SIGNS, *OTHERS, *(form for word in WORDS for form in (word, word.upper(), word.title())))
    )
)


def null_texts(given: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What means missing without asking, since it cannot be a value, and what the user says."""
    return tuple(dict.fromkeys((*USUAL_MARKS, *(text.strip() for text in given))))
