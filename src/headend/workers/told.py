"""Events of all workers, told by worker 0 alone: webhooks, hooks, audit trail and history.

    worker 1 ─► bus ─► Forwarder ─► supervisor ─► worker 0: the same event on its bus

What each worker says of itself is not passed on: worker 0 says it for the server.
"""

import logging
from collections import deque
from dataclasses import fields
from typing import Any, Final

from headend.events import (
    KINDS,
    CertificateExpiring,
    CertificateFailed,
    CertificateRenewed,
    Event,
    Events,
    ServerStarted,
    ServerStopping,
    document,
)
from headend.workers.pipe import Notice
from headend.workers.tether import Tether

log = logging.getLogger(__name__)

MOST_WAITING: Final = 10_000  # events that the pipe had no room for
_OWN: Final = (
    CertificateExpiring,
    CertificateFailed,
    CertificateRenewed,
    ServerStarted,
    ServerStopping,
)
_KINDS: Final = {kind.name: kind for kind in KINDS}


class Forwarder:
    """Passes the events of a worker on to worker 0.

    Attributes:
        lost: Events that found no room.
    """

    def __init__(self, tether: Tether, events: Events) -> None:
        """Begin to pass on what happens."""
        self._tether: Final = tether
        self._waiting: Final[deque[Notice]] = deque()
        self.lost = 0
        events.subscribe(self._take)

    def _take(self, event: Event) -> None:
        if isinstance(event, _OWN):
            return
        self._waiting.append({"kind": "event", "event": event.name, "fields": document(event)})
        if len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self.lost += 1
        while self._waiting and self._tether.send(self._waiting[0]):
            self._waiting.popleft()
        if self.lost and not self._waiting:
            log.error("%d events were lost: the supervisor took none", self.lost)
            self.lost = 0


def event_of(notice: Notice) -> Event:
    """Return the event that a worker has passed on."""
    kind, values = _KINDS[notice["event"]], notice["fields"]
    known = {each.name for each in fields(kind)}
    return kind(**{name: _value(name, each) for name, each in values.items() if name in known})


def _value(name: str, value: Any) -> Any:
    if name == "tags":
        return tuple(value.items())
    return tuple(value) if isinstance(value, list) else value
