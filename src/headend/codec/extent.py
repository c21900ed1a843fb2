"""Files that are cut short: less comes of a track than the file announces.

FFmpeg reads what there is of a Matroska or MP4 file whose end is missing, and says nothing of it.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from headend.errors import MediaError

if TYPE_CHECKING:
    from headend.codec.flv_muxer import Packet
    from headend.codec.transcoding import Stream

# Containers round, and begin a track late: only what is clearly less is told.
LEAST_PART: Final = 0.9
LEAST_S: Final = 1.0


class CutShort(MediaError):
    """The end of a file is missing; what there is was read."""


class Extent:
    """How much of a track has come.

    Attributes:
        announced_s: What the file says, seconds; None: it says nothing.
    """

    def __init__(self, stream: "Stream") -> None:
        """Take what the file says of a track."""
        self.announced_s = _announced_s(stream)
        self._first_s: float | None = None
        self._last_s = 0.0

    def add(self, packet: "Packet") -> None:
        """Take note of a packet."""
        clock = packet.time_base
        if packet.dts is None or clock is None:
            return
        begin = float(packet.dts * clock)
        if self._first_s is None:
            self._first_s = begin
        self._last_s = max(self._last_s, begin + float((packet.duration or 0) * clock))

    @property
    def seen_s(self) -> float:
        """What has come, seconds."""
        return 0.0 if self._first_s is None else self._last_s - self._first_s

    @property
    def is_cut(self) -> bool:
        """Clearly less has come than the file announces."""
        announced = self.announced_s
        if announced is None:
            return False
        return self.seen_s < announced * LEAST_PART and self.seen_s < announced - LEAST_S


def _announced_s(stream: "Stream") -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return _matroska_s(stream.metadata.get("DURATION", ""))


def _matroska_s(text: str) -> float | None:
    """Read what programs note in Matroska: `00:01:02.345000000`."""
    try:
        hours, minutes, seconds = text.split(":")
        length = timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))
    except (ValueError, OverflowError):
        return None
    return length.total_seconds()
