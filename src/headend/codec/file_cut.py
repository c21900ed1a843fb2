"""Segments of a media file: packets as they are, from one keyframe to the next, as MP4 or WebVTT.

file ─► demuxer ─► packets of one segment ─► muxer ─► ftyp moov  moof mdat  moof mdat …
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO, Final

import av
from av.bitstream import BitStreamFilterContext
from av.stream import Discard
from av.subtitles.subtitle import AssSubtitle

from headend.codec.decoding_times import DecodingTimes
from headend.codec.explained import explained
from headend.codec.file_index import BY_PLACE, MICRO, FileIndex, OpenMedia
from headend.errors import MediaError

if TYPE_CHECKING:
    from av.container import OutputContainer

    from headend.codec.flv_muxer import Packet

FRAGMENT_US: Final = 1_000_000  # what is read at once by those who play it over RTMP
BEFORE_S: Final = 1.0  # that is read before a segment: tracks lie side by side only nearly
TEXT_BEFORE_S: Final = 10.0  # a text that is shown for longer is missing after a seek
BEHIND_S: Final = 5.0  # that is read behind a segment, for the end of a late track
NEARLY_S: Final = 0.002  # containers round
STYLE: Final = re.compile(r"\{[^}]*\}")  # of ASS, to which FFmpeg converts all texts
_OPTIONS: Final = {
    "movflags": "empty_moov+delay_moov+default_base_moof+frag_keyframe+skip_trailer+frag_discont",
    "frag_duration": str(FRAGMENT_US),
    "avoid_negative_ts": "disabled",
    "use_editlist": "0",
}


def cut(
    container: OpenMedia,
    index: FileIndex,
    number: int,
    tracks: Sequence[int],
    output: BinaryIO | str,
) -> None:
    """Write some tracks of a segment as MP4; blocks.

    Args:
        container: The file; for the first segment just opened, as there is no way back to all
            of it.
        index: Its index.
        number: Number of the segment.
        tracks: Numbers of tracks, each video or audio.
        output: Path, or what is written to.

    Raises:
        MediaError: It cannot be read, or has no media there.
    """
    with explained("the file"), av.open(output, "w", format="mp4", options=_OPTIONS) as muxer:
        parts = [_Part(container, muxer, index, number, track) for track in tracks]
        for packet in _packets(container, index, number, tracks, BEFORE_S):
            part = next(each for each in parts if each.number == packet.stream_index)
            part.take(packet)
            if all(each.is_over for each in parts):
                break
        written = sum(part.end() for part in parts)
    if not written:
        raise MediaError(f"the file has no media in segment {number}")


def cut_text(container: OpenMedia, index: FileIndex, number: int, track: int) -> str:
    """Return the texts of a segment as WebVTT; blocks. See `cut`.

    Raises:
        MediaError: It cannot be read.
    """
    start, end = span(index, number)
    lines = ["WEBVTT", "X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000", ""]
    with explained("the file"):
        for packet in _packets(container, index, number, [track, index.lead.number], TEXT_BEFORE_S):
            begin = _seconds(packet, index)
            if packet.stream_index != track or begin is None or packet.time_base is None:
                continue
            until = begin + float((packet.duration or 0) * packet.time_base)
            text = _text(packet) if begin < end and until > start else ""
            if text:
                lines += [f"{_clock(begin)} --> {_clock(until)}", text, ""]
    return "\n".join(lines)


def span(index: FileIndex, number: int) -> tuple[float, float]:
    """Return where a segment begins and ends, seconds; the last one ends with the file."""
    following = number + 1
    end = index.starts[following] if following < len(index.starts) else float("inf")
    return index.starts[number], end


def _packets(
    container: OpenMedia, index: FileIndex, number: int, tracks: Sequence[int], before: float
) -> "Iterator[Packet]":
    """Give the packets of tracks from before a segment on, until all that follow are behind it."""
    streams = [container.streams[track] for track in tracks]
    for stream in container.streams:
        stream.discard = Discard.default if stream in streams else Discard.all
    _seek(container, index, number, before)
    end = span(index, number)[1]
    for packet in container.demux(*streams):
        if not packet.size:  # the end of a stream, of whichever
            continue
        time = _seconds(packet, index)
        if time is not None and time > end + BEHIND_S:
            return
        yield packet


def _seek(container: OpenMedia, index: FileIndex, number: int, before: float) -> None:
    """Go to some time before a segment, unless the file has just been opened."""
    if not number:
        return
    start = max(index.starts[number] - before, 0.0)
    if container.format.name in BY_PLACE:
        place = index.places[bisect_right(index.starts, start) - 1] if start else 0
        container.seek(place, unsupported_byte_offset=True)
        return
    lead = container.streams[index.lead.number]
    assert lead.time_base is not None
    container.seek(round((start + index.zero_us / MICRO) / lead.time_base), stream=lead)


def _seconds(packet: "Packet", index: FileIndex) -> float | None:
    """Return the time of a packet on the timeline; None: it has none."""
    time = packet.dts if packet.dts is not None else packet.pts
    if time is None or packet.time_base is None:
        return None
    return float(time * packet.time_base) - index.zero_us / MICRO


class _Part:
    """What is in a segment of one track."""

    def __init__(
        self,
        container: OpenMedia,
        muxer: "OutputContainer",
        index: FileIndex,
        number: int,
        track: int,
    ) -> None:
        stream = container.streams[track]
        assert isinstance(stream, av.VideoStream | av.AudioStream)
        assert stream.time_base is not None
        self.number: Final = track
        self.is_over = False
        self._is_lead = track == index.lead.number
        self._is_video = stream.type == "video"
        self._start, self._end = span(index, number)
        self._zero = round(index.zero_us / MICRO / stream.time_base)
        self._tick = float(stream.time_base)
        self._times = DecodingTimes()
        self._muxer = muxer
        self._out = muxer.add_stream_from_template(stream, opaque=True)
        is_adts = container.format.name == "mpegts" and stream.codec.canonical_name == "aac"
        self._unpacked = BitStreamFilterContext("aac_adtstoasc", stream) if is_adts else None
        if stream.codec.canonical_name == "hevc":
            self._out.codec_context.codec_tag = "hvc1"  # as Safari wants it
        self._waiting: Packet | None = None
        self._last = -1
        self._written = 0

    def take(self, packet: "Packet") -> None:
        """Take a packet of the track."""
        for ready in self._times.take(packet):
            self._place(ready)

    def end(self) -> int:
        """Write what waits; return how many packets there are in all."""
        for ready in self._times.flush():
            self._place(ready)
        self._write(None)
        return self._written

    def _place(self, packet: "Packet") -> None:
        """Write the packet before this one, if it belongs here, and keep this one."""
        assert packet.dts is not None
        assert packet.pts is not None
        packet.dts, packet.pts = packet.dts - self._zero, packet.pts - self._zero
        time = (packet.pts if self._is_video else packet.dts) * self._tick + NEARLY_S
        can_start = packet.is_keyframe or not self._is_video
        if self._is_over_at(time, can_start=can_start):
            self._write(packet.dts)
        elif self._waiting is not None or self._written:
            self._write(packet.dts)
            self._waiting = packet
        elif can_start and (time >= self._start or self._start == 0):
            self._waiting = packet

    def _is_over_at(self, time: float, *, can_start: bool) -> bool:
        self.is_over = self.is_over or (can_start and time >= self._end)
        return self.is_over

    def _write(self, following: int | None) -> None:
        packet, self._waiting = self._waiting, None
        if packet is None:
            return
        assert packet.dts is not None
        assert packet.pts is not None
        packet.dts = max(packet.dts, self._last + 1)
        packet.pts = max(packet.pts, packet.dts)
        if following is not None and following > packet.dts:
            packet.duration = following - packet.dts
        self._last = packet.dts
        for ready in self._unpacked.filter(packet) if self._unpacked else (packet,):
            ready.stream = self._out
            self._muxer.mux(ready)
        self._written += 1


def _text(packet: "Packet") -> str:
    found = [
        subtitle.dialogue.decode(errors="replace").strip()
        for subtitle in packet.decode()
        if isinstance(subtitle, AssSubtitle)
    ]
    text = STYLE.sub("", "\n".join(found)).replace("\r", "")
    lines = [line for line in text.split("\n") if line]  # an empty line would end the cue
    return "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(seconds: float) -> str:
    ms = max(round(seconds * 1000), 0)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"
