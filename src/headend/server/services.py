"""This module holds what all connections share: one object, made by the app."""

import logging
from asyncio import AbstractEventLoop
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headend.access.control import Access
from headend.access.gate import Gate
from headend.events import Events
from headend.hub.registry import Registry
from headend.rtmp.session import SessionSettings
from headend.server.admission import Admission
from headend.server.deadlines import Deadlines
from headend.server.logs import Repeats
from headend.server.notes import Notes
from headend.server.poller import Poller
from headend.server.sessions import Session
from headend.settings import RuleBook, Settings

if TYPE_CHECKING:
    from headend.server.arrivals import Arrivals
    from headend.server.hls_streams import HlsStreams
    from headend.server.http.flv_viewer import FlvViewer
    from headend.server.integrations import Integrations
    from headend.server.rates import Rates
    from headend.server.recorder import Recorder
    from headend.server.relay_port import Relays
    from headend.server.rtmp_connection import RtmpConnection
    from headend.server.thumbnails import Thumbnails
    from headend.server.tls_port import TlsPort


log = logging.getLogger(__name__)


@dataclass(slots=True)
class Counters:
    """Totals since the start, for metrics."""

    accepted: int = 0
    refused: int = 0  # connections over a limit
    protocol_errors: int = 0
    handshake_failures: int = 0  # RTMP connections that came no further
    publishes: int = 0
    plays: int = 0
    rejected: int = 0  # publish and play requests that were refused
    late_closed: int = 0
    sink_errors: int = 0
    acme_failures: int = 0  # attempts to get a certificate
    bytes_in: int = 0  # of connections that are closed
    bytes_out: int = 0
    sessions: int = 0  # RTMP connections and viewers over HTTP
    responses: Counter[str] = field(default_factory=Counter)  # over HTTP, by class: "2xx" …


@dataclass(slots=True)
class Services:
    """See the module's head; `settings`, `rules` and `session_settings` change on reload.

    Attributes:
        rules: What the settings say of each stream.
        access: All that decides who may what.
        began: When the server started, monotonic seconds.
        started: Likewise, Unix seconds by the clock of then; for people.
        events: What happens, for all who want to know.
        reload: Reads settings and certificates again; returns what happened, a line each.
        addresses: Where the server listens, by listener: rtmp, tls and http.
        sources: Where each setting came from.
        connections: RTMP and RTMPS.
        viewers: Viewers over HTTP and WebSocket.
        notes: What is written of what peers do, so much of each address.
        undecided: Tells the log of requests that could not be decided.
        arrivals: Requests that wait for a stream; there with HTTP.
        hls: Streams that are packaged; there with HTTP.
        rates: What streams bring a second.
        recorder: Writes audit trail and history, and remembers sessions that are over.
        thumbnails: Makes pictures of streams; there with HTTP.
        tls: The TLS port, if there is one.
        integrations: Webhooks, callback and Python hooks; there after the start.
        relays: Streams sent to and fetched from other servers.
        server_id: Ours, among servers that relay to each other; another one with each start.
    """

    loop: AbstractEventLoop
    began: float
    started: float
    poller: Poller
    deadlines: Deadlines
    registry: Registry
    admission: Admission
    settings: Settings
    rules: RuleBook
    access: Access
    session_settings: SessionSettings
    events: Events
    notes: Notes
    reload: Callable[[], list[str]]
    addresses: dict[str, list[str]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    connections: set["RtmpConnection"] = field(default_factory=set)
    viewers: set["FlvViewer"] = field(default_factory=set)
    undecided: Repeats = field(
        default_factory=lambda: Repeats(log, "requests not decided", level=logging.ERROR)
    )
    counters: Counters = field(default_factory=Counters)
    is_stopping: bool = False
    tls: "TlsPort | None" = None
    relays: "Relays | None" = None
    server_id: str = ""
    arrivals: "Arrivals | None" = None
    hls: "HlsStreams | None" = None
    rates: "Rates | None" = None
    recorder: "Recorder | None" = None
    thumbnails: "Thumbnails | None" = None
    integrations: "Integrations | None" = None

    @property
    def gate(self) -> Gate:
        """Decides who may publish and play."""
        return self.access.gate

    def next_session_id(self) -> int:
        """Return the number of a session that begins, from 1 on."""
        self.counters.sessions += 1
        return self.counters.sessions

    def sessions(self) -> list["Session"]:
        """Return every session, in the order in which they began."""
        sessions: list[Session] = [*self.connections, *self.viewers]
        return sorted(sessions, key=lambda session: session.id)
