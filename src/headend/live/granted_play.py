"""One play from the grant to the end, whatever is played and over whatever protocol.

    Grant ─► begin: counters, record ─► … ─► end: once; counters, record, the gate's `leave`

A play without a grant is one of the server's own: nobody counts it, and it has no record.
"""

import logging
from typing import Protocol

from headend.access.gate import Grant
from headend.access.session_record import Client, SessionRecord
from headend.errors import Refusal, Rejected
from headend.live.services import Services


class Watcher(Protocol):
    """The object that speaks with a viewer in its protocol. Its methods must not raise."""

    def play_ended(self, play: "GrantedPlay", why: Rejected | None, /) -> None:
        """Take note that nothing more comes.

        Args:
            play: The play that is over.
            why: Why it was ended; None: the viewer has got all there is.
        """


class GrantedPlay:
    """One play.

    Attributes:
        given: Bytes that the viewer was given, as far as they are counted here; none once the play
            is over.
    """

    __slots__ = ("_grant", "_record", "_services", "_watcher", "given")

    def __init__(self, services: Services, watcher: Watcher, grant: Grant | None) -> None:
        """Make a play that has not begun.

        Args:
            services: What all connections share.
            watcher: Speaks with the viewer.
            grant: The gate's grant; `end` has the gate `leave` it.
        """
        self._services = services
        self._watcher: Watcher | None = watcher  # None once it is over: it holds us
        self._grant = grant
        self._record: SessionRecord | None = None
        self.given = 0

    def record(self, client: Client, how: str) -> None:
        """Count the play, and tell that it begins; the gate may end it from now on.

        Args:
            client: The session of the viewer.
            how: How it begins, for the log.
        """
        services, grant = self._services, self._grant
        assert grant is not None
        services.counters.plays += 1
        self._record = SessionRecord.of(services.runtime, grant, client)
        self._record.accepted(how, client.tls)
        services.gate.began(grant, self._grant_ended)

    @property
    def is_over(self) -> bool:
        """Nothing more comes."""
        return self._watcher is None

    def stopped(self) -> None:
        """Give no more, because the play ends; its `given` is complete then."""

    def end(self, reason: str, became: str, level: int = logging.INFO) -> None:
        """End the play; only the first call counts.

        Args:
            reason: Reason for the events.
            became: How it ended, for the log: follows the stream's name.
            level: Level of that line.
        """
        if self._watcher is None:
            return
        self._watcher = None
        self.stopped()
        grant, self._grant = self._grant, None
        if grant is None:
            return
        self._services.gate.leave(grant)
        given, self.given = self.given, 0
        self._services.counters.bytes_out += given
        if self._record is not None:
            self._record.end(given, reason)
            self._record.say(became, level)

    def end_and_tell(self, reason: str, became: str, why: Rejected | None) -> None:
        """End the play as `end` does, and tell its watcher why, as `play_ended` has it."""
        watcher = self._watcher
        self.end(reason, became)
        if watcher is not None:
            watcher.play_ended(self, why)

    def _grant_ended(self, reason: str) -> None:
        """A token has expired, or the time is over."""
        self.end_and_tell(reason, f" ended: {reason}", Rejected(Refusal.DENIED, reason))
