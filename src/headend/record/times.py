"""Times in a query: ISO 8601, or Unix seconds."""

import math
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from headend.http.problems import Problem

MOST: Final = 10**11  # Unix seconds
CHARACTERS: Final = 64


def time_of(request: web.Request, name: str) -> float | None:
    """Return a time in the query of a request as Unix seconds; None: it is not there.

    A time without a zone is UTC. A space stands for a `+` that was sent without an escape.

    Raises:
        Problem: 422.
    """
    text = request.query.get(name)
    if text is None:
        return None
    time = _parse(text.strip()[:CHARACTERS])
    if not 0 <= time <= MOST:  # nan is no number in any range
        raise Problem(
            422, f"{name}: a time is expected, such as 2026-01-31T12:00:00Z, or Unix seconds."
        )
    return time


def _parse(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        time = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return math.nan
