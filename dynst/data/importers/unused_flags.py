"""A flag that had no effect shows that the file is not what the user thinks it is."""

from collections.abc import Sequence

from dynst.errors import DataError

__all__ = ["refuse_unused"]

OWN_TIMES = "the file has times of its own"
WHY_UNUSED = {
    "--start": OWN_TIMES,
    "--step": OWN_TIMES,
    "--aggregate": "there is no --resample",
    "--neighbours": "the graph is not made from positions",
    "--weights": "there is no graph with weights",
    "--day-first": "the dates have one order of day and month only",
    "--zone": "the file has no times",
    "--sensor-column": "no column names sensors",
}


def refuse_unused(kind: str, flags: Sequence[str]) -> None:
    """Refuse the first of the flags that had no effect on a file of this kind, with the reason.

    Raises:
        DataError: there is such a flag.
    """
    if not flags:
        return
    why = WHY_UNUSED.get(flags[0], f"the file was read as {kind}, which needs none")
    raise DataError(
        f"{flags[0]} had no effect, since {why}; leave it out, or force another form with --kind"
    )
