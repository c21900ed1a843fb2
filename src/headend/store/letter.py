"""A letter: one event for one webhook, as the outbox keeps it."""

from dataclasses import dataclass
from typing import Final

STREAM_CHARACTERS: Final = 1024


@dataclass(frozen=True, slots=True)
class Letter:
    """One event for one receiver.

    Attributes:
        sequence: Letters are delivered in its order; grows, with gaps, also over restarts.
        id: The same in every attempt.
        endpoint: Name of the webhook.
        stream: Order is kept within it; empty: the event is about none.
        event: Its name.
        body: Its fields, as JSON.
        created_at: When it happened, Unix seconds, as all times here.
        attempts: That failed.
        next_at: Not before then.
        dead_at: Given up since then.
        error: Of the last attempt.
    """

    sequence: int
    id: str
    endpoint: str
    stream: str
    event: str
    body: str
    created_at: float
    attempts: int = 0
    next_at: float = 0.0
    dead_at: float | None = None
    error: str | None = None
