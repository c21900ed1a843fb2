"""The feature that drains a server.

POST /api/v1/drain, headend drain, SIGTERM in a cluster ─► begin
every TURN_S: ask some to connect to another server, publishers first
              is anybody left? ── nobody, or the time is over ─► over: the server stops
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final, Literal

from headend.features.feature import Feature, Label, Values
from headend.live.draining import Others
from headend.live.services import Services

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from headend.features.routes import Route

log = logging.getLogger(__name__)

TURN_S: Final = 0.25  # from one look at the peers that are left to the next
LEAST_S: Final = 2.0  # that a drain takes: a client that asked for it gets an answer
ASKED: Final = 20  # peers that are asked to move in one turn, at least …
TURNS: Final = 20  # … and so many that all are asked in this number of turns
TELL_S: Final = 1.0  # from one word to the other servers of a cluster to the next


@dataclass(frozen=True, slots=True)
class DrainState:
    """A drain as it is now.

    Attributes:
        state: Whether the server drains.
        left_s: Seconds until it stops at the latest; None: it does not drain.
        publishers: Publishers that are there.
        players: Players that are there; servers that fetch streams do not count.
    """

    state: Literal["serving", "draining"]
    left_s: float | None
    publishers: int
    players: int


class Drain(Feature):
    """Drains a server, once somebody asks for it.

    Attributes:
        tell: Tells other workers of this server when the drain ends; None: it is called off.
        over: Called when the drain is over, to stop the server.
    """

    name = "drain"

    def __init__(self, services: Services) -> None:
        """Prepare.

        Args:
            services: What all connections share.
        """
        self._services: Final = services
        self._draining: Final = services.draining
        self._timer: asyncio.TimerHandle | None = None
        self._told = 0.0  # when the other servers were told, monotonic seconds
        self._offered: set[str] = set()  # names that were offered to them
        self._lasts_until = 0.0  # even if no peer is left, monotonic seconds
        self.tell: Callable[[float | None], object] = lambda ends_at: None
        self.over: Callable[[], object] = lambda: None

    # ------------------------------------------------------------------ begin and end

    @property
    def seconds(self) -> float:
        """How long a drain may take."""
        return self._services.settings.cluster.drain_s

    @property
    def seconds_before_stop(self) -> float:
        """How long a drain may take that comes before a stop; 0: the server stops at once.

        It drains where there are other servers to go to, and does so once.
        """
        is_alone = not self._services.settings.cluster.redis.get_secret_value()
        return 0.0 if is_alone or self._draining.is_on else self.seconds

    def begin(self) -> None:
        """Begin to drain; one that has begun goes on as it is."""
        if not self._draining.is_on:
            ends_at = self._services.loop.time() + self.seconds
            self.tell(ends_at)
            self.take(ends_at)

    def undo(self) -> bool:
        """Serve as before; false: there was no drain."""
        if not self._draining.is_on:
            return False
        self.tell(None)
        self.take(None)
        return True

    def take(self, ends_at: float | None) -> None:
        """Drain until a time, or serve as before, because this worker or another one was asked.

        Args:
            ends_at: When the drain is over at the latest, monotonic seconds; None: it is called
                off.
        """
        self._cancel()
        self._draining.ends_at = ends_at
        self._lasts_until = self._services.loop.time() + LEAST_S
        if ends_at is None:
            self._keep()
            log.warning("the drain was called off: publishers and players are taken again")
            return
        now = self.state()
        log.warning(
            "draining: nobody new is taken; %d publishers and %d players have %g s to leave",
            now.publishers,
            now.players,
            now.left_s,
        )
        self._timer = self._services.loop.call_later(0, self._turn)

    async def stop(self) -> None:
        """Look no more."""
        self._cancel()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _turn(self) -> None:
        """See which peers are left."""
        ends_at, loop = self._draining.ends_at, self._services.loop
        if ends_at is None:
            return
        if self._draining.others is not None:
            self._move(self._draining.others, loop.time())
        now = self.state()
        is_over = loop.time() >= ends_at or not now.publishers + now.players
        if not is_over or loop.time() < self._lasts_until:
            self._timer = loop.call_later(TURN_S, self._turn)
            return
        log.warning(
            "the drain is over: %d publishers and %d players are left", now.publishers, now.players
        )
        self.over()

    # ------------------------------------------------------------------ to another server

    def _move(self, others: Others, now: float) -> None:
        """Ask some of those that can to connect to another server, publishers first."""
        if now - self._told >= TELL_S:
            self._told = now
            others.tell()
        connections = self._services.sessions.connections
        able = [each for each in connections if each.may_move]
        # Players after the publishers: a stream that has moved does not move under them.
        able = [each for each in able if each.publishing] or able
        for connection in able[: max(ASKED, ceil(len(connections) / TURNS))]:
            place = others.place(connection.protocol)
            if place and self._offer(connection.publishing):
                connection.ask_to_move(place)

    def _offer(self, paths: Sequence[str]) -> bool:
        """Have a publisher's names taken at another server; false: not yet."""
        self._offered.update(paths)
        claiming = self._services.gate.claiming
        return claiming is None or claiming.offer(paths)

    def _keep(self) -> None:
        """Have all names that were offered be taken by nobody else again."""
        claiming = self._services.gate.claiming
        if claiming is not None:
            claiming.keep(self._offered)
        self._offered.clear()

    # ------------------------------------------------------------------ how it stands

    def state(self) -> DrainState:
        """Return how it stands."""
        services, ends_at = self._services, self._draining.ends_at
        left_s = None if ends_at is None else max(0.0, round(ends_at - services.loop.time(), 1))
        people = [each for each in services.sessions.connections if not each.is_member]
        sessions = [each for each in (*people, *services.sessions.viewers) if not each.is_over]
        return DrainState(
            "serving" if left_s is None else "draining",
            left_s,
            _count(each.publishing for each in sessions),
            _count(each.playing for each in sessions),
        )

    def status(self) -> Values:
        return {"left_s": self.state().left_s or 0.0} if self._draining.is_on else {}

    def metrics(self, label: Label) -> "Sequence[Metric]":
        from prometheus_client.metrics_core import GaugeMetricFamily

        text = "1 while the server takes nobody new, because it is about to stop."
        return [GaugeMetricFamily("headend_draining", text, float(self._draining.is_on))]

    def api_routes(self) -> "Sequence[Route]":
        from headend.drain.api import routes

        return routes(self)


def _count(paths: Iterable[Sequence[str]]) -> int:
    return sum(map(len, paths))
