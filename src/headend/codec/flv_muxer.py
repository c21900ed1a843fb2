"""Tags of encoded packets, made by FFmpeg's FLV muxer.

packets ─► FLV muxer ─► bytes in memory ─► flv.Reader ─► tags

The muxer knows the codecs of Enhanced RTMP, and turns start codes and ADTS into what FLV holds.
"""

from typing import TYPE_CHECKING, Final, TypeAlias

import av
import av.stream

from headend.media import flv
from headend.media.tag import AUDIO, Tag

if TYPE_CHECKING:
    from av.container import OutputContainer


Packet: TypeAlias = "av.Packet[av.stream.Stream]"

# FFmpeg writes an AAC sequence header without content when the configuration is to come later, as
# from MPEG-TS; it would displace a good one.
EMPTY_AAC_HEADER: Final = b"\xaf\x00"


class FlvMuxer:
    """Makes tags of packets.

    Attributes:
        container: Add the streams here before the first packet.
    """

    def __init__(self) -> None:
        self._reader = flv.Reader()
        # Or it would seek back at the end, and wait for more bytes before it writes.
        options = {"flvflags": "no_duration_filesize", "flush_packets": "1"}
        self.container: Final[OutputContainer] = av.open(
            _Sink(self._reader), "w", format="flv", options=options
        )

    def mux(self, packet: "Packet") -> list[Tag]:
        """Take a packet of one of the streams; return the tags that are complete.

        Raises:
            av.FFmpegError: FLV cannot hold it.
        """
        self.container.mux(packet)
        return self._tags()

    def close(self) -> list[Tag]:
        """Return what was held back, and how each track ends."""
        self.container.close()
        return self._tags()

    def _tags(self) -> list[Tag]:
        tags = self._reader.tags()
        return [tag for tag in tags if tag.kind is not AUDIO or tag.body != EMPTY_AAC_HEADER]


class _Sink:
    """Takes the place of a file."""

    def __init__(self, reader: flv.Reader) -> None:
        self._reader = reader

    def write(self, data: bytes) -> int:
        self._reader.receive_data(bytes(data))
        return len(data)
