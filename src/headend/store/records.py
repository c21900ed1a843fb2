"""What is kept about what went on: entries of the audit trail, and sessions."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from headend.decisions import Action

Outcome = Literal["done", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that an administrator did, or that was refused.

    Attributes:
        detail: For people: why it was refused, what was changed.
        number: Of the row; 0 until it is written.
    """

    __pydantic_config__ = ConfigDict(
        extra="forbid", json_schema_serialization_defaults_required=True
    )

    at: Annotated[float, Field(description="Unix seconds; of the first, if there were several.")]
    actor: Annotated[
        str, Field(description="Who: admin token, console, a key's id, a token's subject.")
    ]
    action: Annotated[
        str, Field(description="What, such as key.create, publish or settings.reload.")
    ]
    target: Annotated[str, Field(description="To what: a stream, an id.")]
    address: Annotated[str | None, Field(description="From where, as privacy.addresses shows it.")]
    outcome: Outcome
    detail: str = ""
    count: Annotated[
        int,
        Field(description="How often; refusals that repeat are one entry for a while."),
    ] = 1
    number: int = 0


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which rows are wanted; None: all.

    Attributes:
        actor: Exactly this one.
        action: This one, and those below it: `key` stands for `key.create` too.
        target: Exactly this one.
        address: Exactly this text.
        outcome: Exactly this one.
        since: Unix seconds, from then on.
        until: Unix seconds, before then.
    """

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    address: str | None = None
    outcome: str | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class StoredSession:
    """One publish or play, granted or refused.

    Attributes:
        id: Unique for good.
        protocol: rtmp, rtmps, http-flv, https-flv, ws-flv, wss-flv, hls or embedded.
        stream: `APP/NAME`.
        user_agent: What the peer called itself.
        bytes: Media published, or bytes given to a viewer.
        code: Such as `NetStream.Publish.Denied`; None: it was granted.
    """

    __pydantic_config__ = ConfigDict(
        title="PastSession", extra="forbid", json_schema_serialization_defaults_required=True
    )

    id: str
    session: Annotated[
        int | None, Field(description="Number of its session while that server ran.")
    ]
    kind: Action
    protocol: str
    stream: str
    address: Annotated[str | None, Field(description="From where, as privacy.addresses shows it.")]
    subject: Annotated[
        str | None, Field(description="Id of the publish key, or whom a token was made for.")
    ]
    user_agent: str | None
    started_at: Annotated[float, Field(description="Unix seconds.")]
    ended_at: Annotated[float | None, Field(description="Unix seconds; null: it goes on.")] = None
    bytes: int = 0
    reason: Annotated[
        str | None, Field(description="Why it ended or was refused, as its peer was told.")
    ] = None
    code: Annotated[str | None, Field(description="Of a refusal, as its peer was told.")] = None


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which rows are wanted; None: all. `since` and `until`: when they started, Unix seconds."""

    kind: str | None = None
    protocol: str | None = None
    stream: str | None = None
    address: str | None = None
    subject: str | None = None
    is_refused: bool | None = None
    is_open: bool | None = None
    since: float | None = None
    until: float | None = None
