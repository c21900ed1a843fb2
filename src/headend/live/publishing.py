"""One publication from the grant to the end, whatever protocol its media comes by.

    Grant ─► begin: loop check, registry, record, counters ─► media: `publication.push`
                                                              └─► end: once

The publisher may be a peer, a relay that fetches, a stand-in, or a program that embeds the server.
Without a grant nobody counts it, and it has no record.
"""

import logging
from collections.abc import Mapping
from typing import Final, Protocol

from headend.access.gate import Grant
from headend.access.session_record import Client, SessionRecord
from headend.errors import Refusal, Rejected
from headend.hub.publication import PRIMARY, Place, Publication
from headend.live.loops import check_publish
from headend.live.services import Services
from headend.settings.live import backup_rank

REPLACED: Final = "another encoder took the name over"


def place_of(services: Services, grant: Grant, query: Mapping[str, str]) -> Place:
    """Say where a publisher stands among those of its name, by its key and `?backup=1`."""
    rank = PRIMARY.rank
    if query.get("backup") == "1":
        rank = backup_rank(services.rules.of(grant.path).fallback)
    return Place(rank, priority=grant.priority)


class Source(Protocol):
    """The source of a publication's media. Its methods must not raise."""

    def watched(self) -> None:
        """Take note that `is_watched` has changed; see `hub.ports.Publisher`."""

    def publishing_ended(self, publishing: "Publishing", why: Rejected) -> None:
        """Take note that the publication is over: more media is not taken.

        The grant has ended, or another publisher has the name.
        """


class Publishing:
    """One publication; the hub's `Publisher` of it.

    Attributes:
        path: `APP/NAME`.
        peer: Address of the publisher, for people.
        hops: Ids of the servers through which the stream came.
        is_recorded: What was granted with the right to publish: the stream is recorded, or not;
            None: the settings decide.
        publication: The right to publish; there from `begin` until it is over.
        is_watched: Somebody watches.
    """

    __slots__ = (
        "_bytes_before",
        "_grant",
        "_record",
        "_services",
        "_source",
        "hops",
        "is_recorded",
        "is_watched",
        "path",
        "peer",
        "publication",
    )

    publication: Publication

    def __init__(
        self,
        services: Services,
        source: Source,
        path: str,
        peer: str,
        *,
        grant: Grant | None = None,
        hops: tuple[str, ...] = (),
    ) -> None:
        """Prepare; `begin` follows.

        Args:
            services: What all connections share.
            source: The source of the media.
            path: `APP/NAME`.
            peer: Address of the publisher, for people.
            grant: The gate's grant; None: a source of the server's own needs none.
            hops: Ids of the servers through which the stream came.
        """
        self._services = services
        self._source = source
        self._grant = grant
        self._record: SessionRecord | None = None
        self._bytes_before = 0
        self.path: Final = path
        self.peer: Final = peer
        self.hops: Final = hops
        self.is_recorded: Final = None if grant is None else grant.record
        self.is_watched = True

    def begin(self, now: float, place: Place = PRIMARY, client: Client | None = None) -> None:
        """Take the name, on air or in reserve.

        Args:
            now: Monotonic seconds.
            place: Rank among other publishers of the name.
            client: The session that was granted it, for the log and the events.

        Raises:
            Rejected: The stream has passed this server already, the name is taken, or there are
                too many streams. The caller has the gate `leave` the grant.
        """
        services, grant = self._services, self._grant
        holder = None if grant is None else grant.holder
        check_publish(services, self.path, self.hops)
        claiming = services.gate.claiming
        if claiming is not None and grant is None and not place.is_copy:
            claiming.check_name(self.path)  # else the gate has claimed the name
        self.publication = services.registry.publish(self.path, self, holder, now, place)
        if grant is None or client is None:
            return
        services.counters.publishes += 1
        self._bytes_before = self.publication.stream.bytes_in
        self._record = SessionRecord.of(services.runtime, grant, client)
        became = "accepted" if self.publication.is_current else "stands by"
        key = "" if grant.key_id is None else f" with {grant.key_id}"
        self._record.accepted(became + key, client.tls)
        services.gate.began(grant, self._grant_ended)

    @property
    def bytes_in(self) -> int:
        """Bytes of media published so far; not to be asked once the publication is over."""
        return self.publication.stream.bytes_in - self._bytes_before

    # ------------------------------------------------------------------ what the hub tells

    def watched(self, *, is_watched: bool) -> None:
        self.is_watched = is_watched
        self._source.watched()

    def replaced(self) -> None:
        self._over(REPLACED, " taken over by another encoder", logging.WARNING)
        text = f"another encoder has taken over {self.path}"
        self._source.publishing_ended(self, Rejected(Refusal.NAME_TAKEN, text))

    # ------------------------------------------------------------------ the end

    def end(self, reason: str = "", became: str = "", level: int = logging.INFO) -> None:
        """End the stream, unless another publisher goes on: no return is waited for.

        Args:
            reason: Reason for the events.
            became: How it ended, for the log: follows the stream's name; empty: no line.
            level: Level of that line.
        """
        self.publication.end(self._services.loop.time())
        self._over(reason, became, level)

    def lose(self, reason: str = "", became: str = "") -> None:
        """Have viewers wait for the publisher's return; see `end`."""
        self.publication.lose(self._services.loop.time())
        self._over(reason, became)

    def _grant_ended(self, reason: str) -> None:
        """A key was revoked, a token has expired, the time is over, a limit was passed."""
        self.end(reason, f" ended: {reason}", logging.WARNING)
        self._source.publishing_ended(self, Rejected(Refusal.DENIED, reason))

    def _over(self, reason: str, became: str, level: int = logging.INFO) -> None:
        self._leave()
        if self._record is not None:
            if became:
                self._record.say(became, level)
            self._record.end(self.bytes_in, reason)
        del self.publication  # which holds us

    def _leave(self) -> None:
        grant, self._grant = self._grant, None
        if grant is not None:
            self._services.gate.leave(grant)
