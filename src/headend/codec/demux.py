"""PyAV's packets, made of tags without FFmpeg's demuxer in the way of a live stream.

sequence header ─► FLV ─► av.open: a stream with the codec's parameters
picture, sound  ─► packet of that stream, at once
"""

import io
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final, TypeVar

import av
import av.stream
from av.error import FFmpegError

from headend.codec.flv_muxer import Packet
from headend.codec.package import Track, template
from headend.codec.packets import Packets
from headend.errors import MediaError
from headend.media.flv import serialize_header, serialize_tag
from headend.media.tag import VIDEO, Tag, TagKind

T = TypeVar("T")

MILLISECOND: Final = Fraction(1, 1000)

Stream = av.VideoStream | av.AudioStream


class Demuxer:
    """The packets of a stream: its first track of each kind.

    Attributes:
        faults: What was wrong with the stream and left out, a line each.
    """

    def __init__(self) -> None:
        self.faults: Final[list[str]] = []
        self._packets = Packets("pyav", self.faults.append)
        self._versions: dict[TagKind, int] = {}
        self._streams: dict[TagKind, tuple[Track, Stream]] = {}

    def demux(self, tag: Tag) -> "Packet | None":
        """Return the packet of a tag; None: it has none.

        The packet has times in milliseconds that do not wrap, and the stream that it belongs to:
        `packet.decode()` works, and so does `add_stream_from_template(packet.stream, opaque=True)`.
        A change of codec is another stream.
        """
        found = self._packets.packet(tag)
        if found is None:
            return None
        if self._versions.get(found.kind) != self._packets.version:
            self._versions[found.kind] = self._packets.version
            self._learn(tag)
        if found.kind not in self._streams:
            return None
        packet = av.Packet(found.payload)
        packet.stream = self._streams[found.kind][1]
        packet.time_base = MILLISECOND
        packet.dts, packet.pts = found.dts, found.pts
        packet.is_keyframe = found.is_keyframe
        return packet

    def report(self, fault: str) -> None:
        """Take note of a fault, once."""
        self._packets.report(fault)

    def _learn(self, first: Tag) -> None:
        """Open a stream for each track that is new; `first` is the first tag of one of them."""
        track = self._packets.tracks[first.kind]
        known = self._streams.pop(first.kind, None)
        if known is not None and known[0].tag.body == track.tag.body:
            self._streams[first.kind] = track, known[1]
            return
        try:
            self._streams[first.kind] = track, _open(track, first)
        except MediaError as error:
            self._packets.report(str(error))


def decode(
    stream: "av.stream.Stream",
    packet: "Packet | None",
    convert: Callable[[Any], T],
    report: Callable[[str], None],
) -> list[T]:
    """Decode a packet, and convert what comes out; blocks.

    Args:
        stream: Of the packet.
        packet: None brings out what the decoder holds back.
        convert: Applied to each frame.
        report: Told why nothing came out.
    """
    assert isinstance(stream, Stream)
    try:
        return [convert(frame) for frame in stream.codec_context.decode(packet)]
    except FFmpegError as error:
        report(f"the {stream.type} cannot be decoded: {error.strerror or error}")
        return []


def decode_all(data: bytes) -> tuple[int, str | None]:
    """Decode every picture and sound of an FLV file; blocks.

    Returns:
        How many frames were decoded, and what FFmpeg complains of, if it does.
    """
    seen = 0
    try:
        with av.open(io.BytesIO(data), "r", format="flv") as container:
            for stream in (*container.streams.video, *container.streams.audio):
                stream.codec_context.options = {"err_detect": "explode"}
            for packet in container.demux():
                seen += len(packet.decode())
    except FFmpegError as error:
        return seen, str(error)
    return seen, None


def _open(track: Track, first: Tag) -> Stream:
    """Have FFmpeg say what a track is, which begins with this tag: a header alone is not enough."""
    is_video = track.config.kind is VIDEO
    header = serialize_header(has_audio=not is_video, has_video=is_video)
    tags = (template(track), first._replace(timestamp=0))
    data = header + b"".join(map(serialize_tag, tags))
    try:
        container = av.open(io.BytesIO(data), "r", format="flv")
        streams = container.streams.video if is_video else container.streams.audio
        return streams[0]
    except (FFmpegError, IndexError, ValueError) as error:
        raise MediaError(
            f"FFmpeg does not know this {track.config.codec} track: {error}"
        ) from error
