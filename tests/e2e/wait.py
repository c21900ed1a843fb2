"""Waiting for what a server or a peer does, with a limit and without guessed times."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

LIMIT_S: Final = 60.0  # a machine that runs many other things at the same time included
LOOK_S: Final = 0.02

T = TypeVar("T")


def wait_for(look: Callable[[], T], what: str, limit_s: float = LIMIT_S) -> T:
    """Look again and again until there is something; return it.

    Args:
        look: Returns something true once it has happened.
        what: Is told when it has not happened.
        limit_s: Seconds to wait at most.

    Raises:
        AssertionError: The time is over.
    """
    end = time.monotonic() + limit_s
    while not (seen := look()):
        assert time.monotonic() < end, f"not within {limit_s:g} s: {what}"
        time.sleep(LOOK_S)
    return seen
