"""Packets that are held back until it is clear which tracks the next run has."""

from collections.abc import Mapping
from math import inf
from typing import Final

from headend.codec.package import Packet, Track
from headend.media.tag import AUDIO, VIDEO, TagKind

MOST: Final = 2_000  # packets
MOST_BYTES: Final = 64 * 1024 * 1024
APART_MS: Final = 10_500  # sound and picture that the hub lets through


class Held:
    """Packets that are held back, in the order in which they came.

    Attributes:
        packets: The packets.
        anchor: Wall clock at time 0 of the media, by the packet that came soonest.
    """

    def __init__(self) -> None:
        self.packets: list[Packet] = []
        self.anchor = inf
        self._tracks: Mapping[TagKind, Track] = {}

    def add(self, packet: Packet, now: float) -> None:
        """Hold one more packet, which came at `now` of the wall clock."""
        self.packets.append(packet)
        self.anchor = min(self.anchor, now - packet.dts / 1000)

    def take(self) -> tuple[list[Packet], float]:
        """Return all packets in the order of time, and the anchor; hold nothing any more."""
        packets = sorted(self.packets, key=lambda packet: (packet.dts, packet.kind is AUDIO))
        anchor = self.anchor
        self.clear()
        return packets, anchor

    def clear(self) -> None:
        """Hold nothing any more."""
        self.packets.clear()
        self.anchor = inf

    def keep(self, tracks: Mapping[TagKind, Track]) -> bool:
        """Drop packets of other tracks; true: the tracks have changed since the last call."""
        known = self._tracks
        if known == tracks:
            return False
        self._tracks = dict(tracks)
        same = {kind for kind, track in tracks.items() if known.get(kind) is track}
        self.packets = [packet for packet in self.packets if packet.kind in same]
        return True

    def keep_from(self, dts: int) -> None:
        """Drop the packets that came before the first one of this time."""
        first = next((i for i, each in enumerate(self.packets) if each.dts >= dts), None)
        self.packets = [] if first is None else self.packets[first:]

    def is_near(self, packet: Packet, gap_ms: int) -> bool:
        """Say whether a packet follows those of its kind, or of the other if it is the first."""
        times = [each.dts for each in self.packets if each.kind is packet.kind][-1:]
        times = times or [each.dts for each in self.packets[-1:]]
        is_first = not self.has(packet.kind)
        gap = APART_MS if is_first else gap_ms
        return not times or -gap < packet.dts - times[0] < gap

    @property
    def span_ms(self) -> int:
        """Length of the longest track that is held, ms."""
        spans = [
            [each.dts for each in self.packets if each.kind is kind] for kind in (VIDEO, AUDIO)
        ]
        return max((times[-1] - times[0] for times in spans if times), default=0)

    def has(self, kind: TagKind) -> bool:
        """Say whether a packet of this kind is among them."""
        return any(packet.kind is kind for packet in self.packets)

    @property
    def is_full(self) -> bool:
        """As many packets or bytes are held as may be."""
        is_many = len(self.packets) >= MOST
        return is_many or sum(len(each.payload) for each in self.packets) >= MOST_BYTES
