"""What a user should know although nothing is wrong, such as a name that has changed."""

import logging
from functools import cache

__all__ = ["NOTICES", "notice"]

NOTICES = "dynst.notices"  # the one logger whose lines the command line always shows


@cache
def notice(text: str) -> None:
    """Once in a process."""
    logging.getLogger(NOTICES).warning(text)
