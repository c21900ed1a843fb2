"""A letter: one event for one webhook, as the outbox keeps it."""

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import ConfigDict, Field, PlainSerializer

STREAM_CHARACTERS: Final = 1024


@dataclass(frozen=True, slots=True)
class Letter:
    """An event that waits for a receiver, or was given up.

    Attributes:
        sequence: Letters are delivered in its order; grows, with gaps, also over restarts.
        id: The same in every attempt.
        endpoint: Name of the webhook.
        stream: Order is kept within it; empty: the event is about none.
        event: Its name.
        body: Its fields, as JSON.
        created_at: When it happened.
        attempts: That failed.
        next_at: Not before then; 0: as soon as can be.
    """

    __pydantic_config__ = ConfigDict(
        title="WebhookDelivery", extra="forbid", json_schema_serialization_defaults_required=True
    )

    sequence: int
    id: str
    endpoint: Annotated[str, Field(exclude=True)]
    stream: str
    event: str
    body: Annotated[str, Field(exclude=True)]
    created_at: Annotated[float, Field(description="Unix seconds, as all times.")]
    attempts: int = 0
    next_at: Annotated[
        float,
        PlainSerializer(lambda at: at or None, return_type=float | None),
        Field(description="Next attempt; null: as soon as can be."),
    ] = 0.0
    dead_at: Annotated[float | None, Field(description="When it was given up.")] = None
    error: Annotated[str | None, Field(description="Of the last attempt.")] = None
