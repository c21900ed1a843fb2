"""Objects that all connections of a server share, in one; made by the app."""

from asyncio import AbstractEventLoop
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from headend.access.access import Access
from headend.access.gate import Gate
from headend.events import Events
from headend.features.features import Features
from headend.hub.registry import Registry
from headend.live.arrivals import Arrivals
from headend.live.bars import Bars
from headend.live.draining import Draining
from headend.live.open_sessions import OpenSessions
from headend.live.rates import Rates
from headend.live.rtmp_settings import RtmpSettings
from headend.live.titles import Titles
from headend.logs import Repeats
from headend.net.admission import Admission
from headend.net.deadlines import Deadlines
from headend.net.notes import Notes
from headend.net.poller import Poller
from headend.net.runtime import Counters, Runtime
from headend.settings import RuleBook, Settings


@dataclass(frozen=True, slots=True)
class Services:
    """Objects that all connections of a server share.

    Attributes:
        runtime: What every connection needs; its parts are properties here.
        access: Keys, tokens and the gate, which decides who may publish and play.
        sessions: Sessions that are open.
        began: When the server started, monotonic seconds.
        started: When the server started, Unix seconds by the clock of that time; for people.
        rtmp: Values that every RTMP session keeps to.
        rates: Rates of streams, sampled once a second.
        features: Features of the server.
        addresses: Where the server listens, by listener: rtmp, tls and http.
        undecided: Tells the log of requests that could not be decided.
        arrivals: Requests that wait for a stream.
        bars: Encoders that are kept away.
        titles: Titles and descriptions of streams, for people.
        draining: Whether the server takes nobody new.
        server_id: Id of this server among servers that relay to each other; new with each start.
    """

    runtime: Runtime
    began: float
    started: float
    registry: Registry
    access: Access
    sessions: OpenSessions
    rtmp: RtmpSettings
    rates: Rates
    features: Features
    addresses: Mapping[str, Sequence[str]]
    server_id: str
    arrivals: Arrivals
    undecided: Repeats
    bars: Bars
    titles: Titles = field(default_factory=Titles)
    draining: Draining = field(default_factory=Draining)

    @property
    def loop(self) -> AbstractEventLoop:
        return self.runtime.loop

    @property
    def poller(self) -> Poller:
        return self.runtime.poller

    @property
    def deadlines(self) -> Deadlines:
        return self.runtime.deadlines

    @property
    def admission(self) -> Admission:
        return self.runtime.admission

    @property
    def settings(self) -> Settings:
        return self.runtime.settings

    @property
    def rules(self) -> RuleBook:
        return self.runtime.rules

    @property
    def events(self) -> Events:
        return self.runtime.events

    @property
    def notes(self) -> Notes:
        return self.runtime.notes

    @property
    def counters(self) -> Counters:
        return self.runtime.counters

    @property
    def gate(self) -> Gate:
        """Decides who may publish and play."""
        return self.access.gate
