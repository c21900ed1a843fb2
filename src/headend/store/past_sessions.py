"""What is kept of events, and the memory of sessions that are over.

`GET /api/v1/sessions/ID` tells of a session that was refused or has ended what its peer, the log
and the events were told: the newest some thousands from memory, older ones from the database.
"""

import uuid
from collections import OrderedDict
from typing import Final

from headend.events import (
    Event,
    PeerNoisy,
    RequestRefused,
    SessionEnded,
    SessionEvent,
    SessionStarted,
)
from headend.net.notes import summary
from headend.store.records import AuditEntry, StoredSession

REMEMBERED: Final = 4096  # sessions, about 1 KB each
PER_SESSION: Final = 8  # publishes and plays of one session; the newest count


class PastSessions:
    """Publishes and plays that are over or were refused, by the number of their session."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most: Final = most
        self._records: OrderedDict[int, list[StoredSession]] = OrderedDict()

    def keep(self, record: StoredSession) -> None:
        """Remember a record if it is over."""
        if record.session is None or record.ended_at is None:
            return
        records = self._records.setdefault(record.session, [])
        records.append(record)
        del records[:-PER_SESSION]
        self._records.move_to_end(record.session)
        if len(self._records) > self._most:
            self._records.popitem(last=False)

    def of(self, session: int) -> list[StoredSession]:
        """Return what is remembered of a session, oldest first."""
        return list(self._records.get(session, ()))

    def sessions(self) -> list[int]:
        """Return the numbers of those remembered, in their order."""
        return sorted(self._records)

    def __len__(self) -> int:
        """Return the number of sessions remembered."""
        return len(self._records)


def record_of(event: Event) -> StoredSession | None:
    """Return what the history keeps of an event."""
    match event:
        case SessionEnded():
            return _record(
                event, event.time - event.duration_s, event.time, event.bytes, event.reason
            )
        case SessionStarted():
            return _record(event, event.time)
        case RequestRefused():
            return StoredSession(
                str(uuid.uuid4()),
                event.session,
                event.action,
                event.protocol,
                event.stream,
                event.address,
                event.key_id or event.subject,
                event.user_agent,
                event.time,
                event.time,
                0,
                event.reason,
                event.code,
            )
    return None


def entry_of(event: Event) -> AuditEntry | None:
    """Return what the audit trail keeps of an event."""
    match event:
        case RequestRefused():
            return AuditEntry(
                event.time,
                event.key_id or event.subject or "",
                event.action,
                event.stream,
                event.address,
                "refused",
                f"{event.code}: {event.reason}",
            )
        case PeerNoisy():
            return AuditEntry(
                event.time,
                "",
                event.name,
                "",
                event.address,
                "refused" if event.refusals else "done",
                summary(event),
                event.refusals + event.sessions,
            )
    return None


def _record(
    event: SessionEvent,
    started_at: float,
    ended_at: float | None = None,
    size: int = 0,
    reason: str | None = None,
) -> StoredSession:
    return StoredSession(
        event.id,
        event.session,
        event.action,
        event.protocol,
        event.stream,
        event.address,
        event.key_id or event.subject,
        event.user_agent,
        started_at,
        ended_at,
        size,
        reason,
    )
