"""Decoding times for packets whose container does not say them.

Matroska says when a picture is shown only: of those before the first reordered one FFmpeg knows no
decoding time. AVI says when it is decoded only.
"""

from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from headend.codec.flv_muxer import Packet

MAX_LATE: Final = 32  # packets that wait; decoders reorder sixteen pictures at most


class DecodingTimes:
    """Completes the times of the packets of one stream."""

    def __init__(self) -> None:
        self._late: list[Packet] = []

    def take(self, packet: "Packet") -> "list[Packet]":
        """Take a packet with data; return those whose times are known now, in order."""
        if packet.dts is None:
            if packet.pts is not None and len(self._late) < MAX_LATE:
                self._late.append(packet)
            return []
        if packet.pts is None:
            packet.pts = packet.dts
        return [*self._timed(packet.dts), packet]

    def flush(self) -> "list[Packet]":
        """Return what still waits, at the end of the stream."""
        return self._timed(None)

    def _timed(self, following: int | None) -> "list[Packet]":
        late, self._late = self._late, []
        shown = sorted(packet.pts for packet in late if packet.pts is not None)
        steps = [later - time for time, later in pairwise(shown) if later > time]
        step = (late[0].duration if late else 0) or min(steps, default=1)
        for number, packet in enumerate(late):
            before = step * (len(late) - number)
            packet.dts = shown[number] if following is None else following - before
        return late
