"""What is kept about what went on: entries of the audit trail, and sessions."""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["done", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that was done or refused.

    Attributes:
        at: When, Unix seconds; of the first, if there were several.
        actor: Who: `admin token`, `console`, `command line (ann)`, a key's id, a token's subject.
        action: What, such as `key.create`, `publish` or `settings.reload`.
        target: To what: a stream, an id; may be empty.
        address: From where, in the form that `privacy.addresses` wants; None: not known.
        outcome: How it ended.
        detail: For people: why it was refused, what was changed.
        count: How often it happened: the same refusal of the same peer is one row for a while.
        number: Of the row; 0 until it is written.
    """

    at: float
    actor: str
    action: str
    target: str
    address: str | None
    outcome: Outcome
    detail: str = ""
    count: int = 1
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
class SessionRecord:
    """One publish or play.

    Attributes:
        id: Unique for good.
        session: Number of the session in the API, until the server stops; None: it has none.
        kind: publish or play.
        protocol: rtmp, rtmps, http-flv, https-flv, ws-flv, wss-flv or hls.
        stream: `APP/NAME`.
        address: From where, in the form that `privacy.addresses` wants; None: not known.
        subject: Id of the publish key, or whom a token was made for.
        user_agent: What the peer called itself.
        started_at: Unix seconds.
        ended_at: Unix seconds; None: it goes on.
        bytes: Media published, or bytes given to a viewer.
        reason: Why it ended or was refused, as the peer and the log were told.
        code: Of the refusal, such as `NetStream.Publish.Denied`; None: it was granted.
    """

    id: str
    session: int | None
    kind: str
    protocol: str
    stream: str
    address: str | None
    subject: str | None
    user_agent: str | None
    started_at: float
    ended_at: float | None = None
    bytes: int = 0
    reason: str | None = None
    code: str | None = None


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
