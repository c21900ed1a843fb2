"""The limits of settings and grants on what is published and watched.

Counts are checked when a grant is given, as a limiter of the gate. Bit rates and durations are
looked at once a second, all publishers in one sweep, from bytes that their sessions count anyway:
nothing is done for a tag, and there is no timer for a session.
"""

import logging
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from headend.access.gate import Grant
from headend.decisions import AccessRequest
from headend.errors import Refusal, Rejected
from headend.live.session import Session
from headend.logs import shown
from headend.net.groups import Group, group_of

if TYPE_CHECKING:
    from headend.live.services import Services

log = logging.getLogger(__name__)

MOST_TOLD: Final = 10_000  # streams and keys of which other workers are told

K = TypeVar("K")
T = TypeVar("T")


@dataclass(slots=True)
class _Publisher:
    """One publish.

    Attributes:
        session: Number of its session; None: it has none.
        began: Monotonic seconds.
        samples: Times, and bytes received until then.
    """

    session: int | None
    began: float
    samples: deque[tuple[float, int]] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class Counts:
    """What one worker counts, for the limits of all; only where there is a limit.

    Attributes:
        plays: All its viewers.
        viewers: Its viewers by stream.
        most: How many may watch by what publishers of its streams were granted.
        streams: Streams that it publishes, by who publishes them.
    """

    plays: int = 0
    viewers: Mapping[str, int] = field(default_factory=dict)
    most: Mapping[str, int] = field(default_factory=dict)
    streams: Mapping[str, Sequence[str]] = field(default_factory=dict)


class StreamLimits:
    """The limits on streams and viewers; a limiter of the gate.

    Attributes:
        others: What other workers count, each by a name of its own.
    """

    def __init__(self, services: "Services") -> None:
        self._services: Final = services
        self._publishers: dict[Grant, _Publisher] = {}
        self._plays: dict[Grant, Group] = {}
        # By stream, and by stream (None: all of them) and address.
        self._viewers: Counter[str] = Counter()
        self._viewers_of: Counter[object] = Counter()
        self.others: dict[str, Counts] = {}

    # ------------------------------------------------------------------ counts

    def enter(self, request: AccessRequest, grant: Grant) -> None:
        """Count a publish or a viewer.

        Raises:
            Rejected: A limit is reached.
        """
        if grant.action == "publish":
            self._check_streams(grant)
            self._check_rate(request, grant.path)
            now = self._services.loop.time()
            self._publishers[grant] = _Publisher(request.session, now)
        else:
            group = group_of(request.address)
            self._check_viewers(grant.path, group)
            self._plays[grant] = group
            self._count(grant.path, group, 1)

    def leave(self, grant: Grant) -> None:
        """Count no more a publish that is over, or a viewer that is gone."""
        self._publishers.pop(grant, None)
        if grant in self._plays:
            self._count(grant.path, self._plays.pop(grant), -1)

    def _count(self, path: str, group: Group, change: int) -> None:
        _add(self._viewers, path, change)
        _add(self._viewers_of, (path, group), change)
        _add(self._viewers_of, (None, group), change)

    def _check_streams(self, grant: Grant) -> None:
        most = self._services.settings.limits.streams_per_key
        if not most or grant.holder is None:
            return
        here = {other.path for other in self._publishers if other.holder == grant.holder}
        # A name is held for a publisher that is lost, or whatever stands in for it.
        lost = {
            stream.path
            for stream in self._services.registry.streams()
            if stream.has_begun and stream.holder == grant.holder
        } - here
        elsewhere = (each.streams.get(grant.holder, ()) for each in self.others.values())
        others = here | lost | {path for paths in elsewhere for path in paths}
        if len(others | {grant.path}) > most:
            kept = f"; {len(lost)} of them lost, and kept for a while" if lost else ""
            raise Rejected(
                Refusal.TOO_MANY,
                f"this key publishes {len(others)} streams, as many as it may{kept}",
                "limits.streams_per_key",
            )

    def _check_rate(self, request: AccessRequest, path: str) -> None:
        """Refuse a peer that publishes again and again: each time much is written and told."""
        what = f"{request.protocol} publish {shown(path)}"
        if not self._services.notes.may_write("session", request.address, what):
            text = "too many publishers came from your address lately; try again in a moment"
            raise Rejected(Refusal.TOO_MANY, text)

    def _check_viewers(self, path: str, group: Group) -> None:
        limits, of_publisher = self._services.rules.of(path).limits, self._of_publisher(path)
        here, own = self._viewers[path], self._viewers_of[path, group]
        here += sum(each.viewers.get(path, 0) for each in self.others.values())
        if limits.viewers_per_stream:
            limit = "limits.viewers_per_stream"
            _check_share(limits.viewers_per_stream, here, own, "this stream", limit, group)
        if of_publisher is not None:
            limit = "the limit of its publisher"
            _check_share(of_publisher, here, own, "this stream", limit, group)
        if limits.viewers:
            here, own = len(self._plays), self._viewers_of[None, group]
            here += sum(each.plays for each in self.others.values())
            _check_share(limits.viewers, here, own, "this server", "limits.viewers", group)

    def _of_publisher(self, path: str) -> int | None:
        """Return how many may watch by what publishers of a stream were granted; None: any."""
        wanted = [grant.max_viewers for grant in self._publishers if grant.path == path]
        wanted += [each.most.get(path) for each in self.others.values()]
        return min((most for most in wanted if most is not None), default=None)

    # ------------------------------------------------------------------ for other workers

    def counts(self) -> Counts:
        """Return what other workers have to know."""
        most: dict[str, int] = {}
        streams: dict[str, list[str]] = {}
        is_by_key = bool(self._services.settings.limits.streams_per_key)
        for grant in self._publishers:
            if grant.max_viewers is not None:
                most[grant.path] = min(most.get(grant.path, grant.max_viewers), grant.max_viewers)
            if is_by_key and grant.holder is not None:
                streams.setdefault(grant.holder, []).append(grant.path)
        limited = {*most, *(path for each in self.others.values() for path in each.most)}
        viewers = {
            path: count
            for path, count in self._viewers.items()
            if path in limited or self._services.rules.of(path).limits.viewers_per_stream
        }
        return Counts(len(self._plays), _first(viewers), _first(most), _first(streams))

    # ------------------------------------------------------------------ once a second

    def sweep(self, now: float) -> None:
        """End publishers that send too much or too long; `now` in monotonic seconds."""
        if not self._publishers:
            return
        end = self._services.gate.end
        sessions: dict[int, Session] | None = None
        for grant, publisher in list(self._publishers.items()):
            limits = self._services.rules.of(grant.path).limits
            longest = limits.publisher_duration_s
            if longest and now - publisher.began >= longest:
                end(grant, f"the longest time allowed, {longest:g} s, is over")
                continue
            most = _least(limits.publisher_bit_rate or None, grant.max_bit_rate)
            if most is None:
                publisher.samples.clear()
                continue
            if sessions is None:
                sessions = {session.id: session for session in self._services.sessions}
            session = sessions.get(publisher.session or 0)
            size = self._received(session, grant.path)
            rate = _rate(publisher.samples, now, size, limits.publisher_bit_rate_s)
            if rate is not None and rate > most:
                end(
                    grant,
                    f"{_mega(rate)} over {limits.publisher_bit_rate_s:g} s is more than the "
                    f"{_mega(most)} allowed",
                )

    def _received(self, session: Session | None, path: str) -> int:
        """Return the bytes that a publisher has sent: of its session if that is all it does."""
        if session is not None and len(session.publishing) == 1:
            return session.bytes_in
        stream = self._services.registry.stream(path)
        return 0 if stream is None else stream.bytes_in


def _add(counter: Counter[K], key: K, change: int) -> None:
    counter[key] += change
    if not counter[key]:
        del counter[key]


def _rate(
    samples: deque[tuple[float, int]], now: float, size: int, window_s: float
) -> float | None:
    """Take a sample; return the bit rate over the window, None before that is full."""
    samples.append((now, size))
    while len(samples) > 2 and samples[1][0] <= now - window_s:
        samples.popleft()
    span = now - samples[0][0]
    return 8 * (size - samples[0][1]) / span if span >= window_s else None


def _first(values: Mapping[str, T]) -> dict[str, T]:
    return dict(islice(values.items(), MOST_TOLD))


def _least(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)


def _mega(rate: float) -> str:
    return f"{rate / 1e6:.3g} Mbit/s"


def _check_share(most: int, here: int, own: int, what: str, limit: str, group: Group) -> None:
    """Check that one more may watch.

    An address may have as many places as it leaves to others: of ten it gets six, however many
    programs it says to be. What comes through a unix socket is not told apart.

    Args:
        most: How many viewers there may be.
        here: How many viewers there are.
        own: How many of them are at the address.
        what: What they watch.
        limit: The setting that says so.
        group: Of the address.

    Raises:
        Rejected: There is no place, or none for this address.
    """
    if here >= most:
        raise Rejected(Refusal.TOO_MANY, f"{what} has reached its limit of viewers", limit)
    if own > most - here and group is not None:
        hint = f"{limit}; if viewers come through a proxy, name it in http.proxies"
        text = f"your address has its share of the viewers of {what}; the rest is for others"
        raise Rejected(Refusal.TOO_MANY, text, hint)
