"""Numbers of threads in the environment, before a library reads one that it cannot use: NumExpr
ends the process over ``OMP_NUM_THREADS=4,2``, which OpenMP allows.
"""

import os
from collections.abc import MutableMapping

__all__ = ["LEFT_OUT", "usable_numbers"]

NAMES = ("OMP_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMEXPR_MAX_THREADS")
MOST = 4096


def usable_numbers(environment: MutableMapping[str, str]) -> tuple[str, ...]:
    """Keep the first number of a list, and leave out what is no number of threads.

    Returns:
        A sentence for each variable that is left out.
    """
    sentences = []
    for name in NAMES:
        given = environment.get(name, "")
        first = given.split(",")[0].strip()
        if not given.strip() or (first.isdecimal() and 1 <= int(first) <= MOST):
            environment.update({name: first} if first else {})
            continue
        del environment[name]
        sentences.append(
            f"{name} must be a whole number from 1 to {MOST}, but is '{given}'; it is left out"
        )
    return tuple(sentences)


LEFT_OUT = usable_numbers(os.environ)
