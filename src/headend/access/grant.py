"""The right to publish or to play one stream, and what an authorizer may make of it."""

from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from headend import events
from headend.decisions import Allow

T = TypeVar("T", int, float)

NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True, eq=False)
class Grant:
    """The right to publish or play one stream, for one session.

    Attributes:
        path: `APP/NAME` that is published or played.
        action: publish or play.
        key_id: Publish key that it rests on.
        token_id: Token that it rests on.
        holder: Who holds the name when it is published: the same one may take it over. It never
            shows a secret.
        priority: Of the publishers of a stream the highest is on air; the others stand by.
        subject: Whom the key or token was made for, or who an authorizer says it is.
        expires_at: Unix seconds; None: never.
        max_viewers: Of the stream (publish), or of the token (play).
        max_bit_rate: Of a publisher, bit/s.
        max_duration_s: From now on.
        tags: From an authorizer.
        record: An authorizer wants the stream recorded, or not; None: the settings decide.
        viewer: Tells who plays from others at the same address: a digest of the credentials, where
            they decided; None: they did not.
        ends_at: The earlier of both times, monotonic seconds; infinite: never.
        member: Name of the member of a cluster that fetches the stream; None: it is a viewer.
    """

    path: str
    action: events.Action
    key_id: str | None = None
    token_id: str | None = None
    holder: str | None = field(default=None, repr=False)
    priority: int = 0
    subject: str | None = None
    expires_at: float | None = None
    max_viewers: int | None = None
    max_bit_rate: int | None = None
    max_duration_s: float | None = None
    tags: tuple[tuple[str, str], ...] = ()
    record: bool | None = None
    viewer: str | None = field(default=None, repr=False)
    ends_at: float = NEVER
    member: str | None = None

    @property
    def is_bound(self) -> bool:
        """Say whether the gate may have to end it."""
        return (
            self.action == "publish"  # which limits may end
            or self.key_id is not None
            or self.token_id is not None
            or self.ends_at != NEVER
            or self.member is not None
        )


def narrowed(grant: Grant, allow: Allow) -> Grant:
    """Apply what an authorizer says: it may narrow, never widen."""
    return replace(
        grant,
        path=allow.stream or grant.path,
        max_viewers=least(grant.max_viewers, allow.max_viewers),
        max_bit_rate=least(grant.max_bit_rate, allow.max_bit_rate),
        max_duration_s=least(grant.max_duration_s, allow.max_duration_s),
        expires_at=least(grant.expires_at, allow.expires_at),
        subject=allow.subject or grant.subject,
        tags=(*grant.tags, *allow.tags),
        record=grant.record if allow.record is None else allow.record,
    )


def least(one: T | None, other: T | None) -> T | None:
    """Return the lower limit; None: there is none."""
    return min((each for each in (one, other) if each is not None), default=None)
