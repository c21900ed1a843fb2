"""Steps from packet to packet of one track, as FFmpeg's MP4 muxer can take them.

It ends a fragment with the duration of its last packet, and begins the next one where that ends. If
the packets behind come sooner, a duration is negative, and FFmpeg does not refuse that: it aborts
the process. So each packet gets a duration here, and a time before which it must not come:

    before the last   last          next
    time, duration    time          no sooner than time + duration of the one before the last
"""

from typing import Final

LONGEST_MS: Final = 250  # that a packet is said to last, before the next one has come


class Steps:
    """Decoding times of one track, in ms.

    Attributes:
        earliest: Of the next packet.
    """

    __slots__ = ("_duration", "_last", "_step", "earliest")

    def __init__(self) -> None:
        self._last: int | None = None
        self._duration = 1
        self._step = 1
        self.earliest = -(1 << 62)

    def add(self, time: int) -> int:
        """Take the time of a packet, later than the last one's; return how long it lasts."""
        last = self._last
        self._last = time
        if last is None:
            self.earliest = time + 1
            return self._duration
        step = time - last
        # Long enough that it does not end before the last one did, and else as short as its
        # neighbours: a hole is no long packet.
        duration = max(min(step, self._step, LONGEST_MS), self._duration - step)
        self.earliest = max(last + self._duration, time + 1)
        self._step, self._duration = step, duration
        return duration
