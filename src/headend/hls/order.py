"""Packets of one or two tracks, put in order of time however far apart the tracks come.

    picture  ──8.0──8.1──8.2──8.3─►          come
    sound    ──0.0──0.1──0.2─►               come 8 s late
             ───────────────┘                all up to here leaves, the picture waits

A track that falls silent is waited for as long as the other one goes on by its patience; from
then on the other leaves without it.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from headend.codec.package import Packet
from headend.media.tag import AUDIO, VIDEO, TagKind

# ms of the other track. Sound comes in bursts; a picture that stands leaves room in its players.
PATIENCE_MS: Final[Mapping[TagKind, int]] = {AUDIO: 1000, VIDEO: 500}
ALONE: Final[Mapping[TagKind, int]] = {AUDIO: 4, VIDEO: 4}  # packets of the other track
LEAST_ALONE: Final = min(ALONE.values())
MOST: Final = 4_000  # packets that wait: both tracks, 10 s apart and rich
MOST_BYTES: Final = 64 * 1024 * 1024


class Order:
    """Packets of one or two tracks in order of time."""

    def __init__(self, kinds: Iterable[TagKind], start: int) -> None:
        """Begin with nothing.

        Args:
            kinds: Kinds of the tracks.
            start: Time of the first packet, ms; earlier packets are dropped.
        """
        # The picture first, which leaves before sound of the same time.
        in_order = sorted(kinds, key=lambda kind: kind is AUDIO)
        self._queues: dict[TagKind, deque[Packet]] = {kind: deque() for kind in in_order}
        self.newest: Final[dict[TagKind, int]] = dict.fromkeys(self._queues, start)
        self._others: Final[dict[TagKind, int]] = dict.fromkeys(self._queues, start)
        self._alone: Final[dict[TagKind, int]] = dict.fromkeys(self._queues, 0)
        self._start = start
        self._has_come: set[TagKind] = set()
        self._count = 0
        self._bytes = 0

    def add(self, packet: Packet) -> None:
        """Take the next packet of a track."""
        kind = packet.kind
        self.newest[kind] = packet.dts
        newest = max(self.newest.values())
        if kind not in self._has_come:  # where it begins is no way that it has come
            self._has_come.add(kind)
            self._others.update(dict.fromkeys(self._others, newest))
        self._others[kind] = newest
        for other in self._alone:
            self._alone[other] = 0 if other is kind else self._alone[other] + 1
        if packet.dts >= self._start:
            self._queues[kind].append(packet)
            self._count += 1
            self._bytes += len(packet.payload)

    def silent_ms(self, kind: TagKind) -> int:
        """Return how far the other track has come since this one came last.

        A hole in both is none of one: the other one has to come several times.
        """
        if self._alone[kind] < ALONE[kind]:
            return 0
        return max(self.newest.values()) - self._others[kind]

    def ready(self) -> Iterator[Packet]:
        """Give the packets that can leave, in order of time, a picture before its sound."""
        return self._until(self._horizon())

    def drain(self) -> Iterator[Packet]:
        """Give all packets that wait, in order of time."""
        return self._until(max(self.newest.values()))

    def following(self, kind: TagKind) -> int | None:
        """Return the time of the next packet of a track, if it has come."""
        queue = self._queues[kind]
        return queue[0].dts if queue else None

    def _horizon(self) -> int:
        if self._count > MOST or self._bytes > MOST_BYTES:
            return max(self.newest.values())
        if max(self._alone.values()) < LEAST_ALONE:  # hot path: no track is silent
            return min(self.newest.values())
        return min(
            newest + max(0, self.silent_ms(kind) - PATIENCE_MS[kind])
            for kind, newest in self.newest.items()
        )

    def _until(self, horizon: int) -> Iterator[Packet]:
        while True:
            first: Packet | None = None
            for queue in self._queues.values():
                if queue and (first is None or queue[0].dts < first.dts):
                    first = queue[0]
            if first is None or first.dts > horizon:
                return
            self._queues[first.kind].popleft()
            self._count -= 1
            self._bytes -= len(first.payload)
            yield first
