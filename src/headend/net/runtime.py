"""What every connection needs, in one object: where it runs, what bounds it, what it tells."""

from asyncio import AbstractEventLoop
from collections import Counter
from dataclasses import dataclass, field

from headend.events import Events
from headend.net.admission import Admission
from headend.net.deadlines import Deadlines
from headend.net.notes import Notes
from headend.net.poller import Poller
from headend.net.pseudonyms import Pseudonyms
from headend.redaction import Secrets
from headend.settings import RuleBook, Settings


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
    bytes_in: int = 0  # of connections that are closed
    bytes_out: int = 0
    sessions: int = 0  # RTMP connections and viewers over HTTP
    responses: Counter[str] = field(default_factory=Counter)  # over HTTP, by class: "2xx" …


@dataclass(slots=True)
class Runtime:
    """One for each server.

    Attributes:
        loop: The running loop.
        poller: The ready set and the flush clock.
        deadlines: What happens when a connection's time is over.
        admission: How many connections there may be, in all and from one address.
        rules: The settings in effect, and what they say of each stream; replaced on reload.
        events: What happens, for all who want to know.
        notes: What is written of what peers do, so much of each address.
        pseudonyms: How the addresses of peers are shown.
        secrets: What the log must not show.
        counters: Totals since the start.
    """

    loop: AbstractEventLoop
    poller: Poller
    deadlines: Deadlines
    admission: Admission
    rules: RuleBook
    events: Events
    notes: Notes
    pseudonyms: Pseudonyms
    secrets: Secrets
    counters: Counters = field(default_factory=Counters)

    @property
    def settings(self) -> Settings:
        """The settings in effect."""
        return self.rules.settings
