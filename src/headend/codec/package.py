"""Fragments of MP4 and pieces of MPEG-TS, made of packets by FFmpeg's muxers.

    open    sequence headers ─► FLV ─► av.open: a template of each track; no media is decoded
    write   packet ─► muxer ─► a finished fragment, now and then

The MP4 muxer decides where a fragment ends: before a video keyframe, and before the packet with
which a track has `fragment_ms` in it.
"""

import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import Final, Literal, NamedTuple

import av
import av.logging
import av.subtitles.stream  # or PyAV loads it with the first muxer, in a stream's turn
from av.error import FFmpegError

from headend.errors import MediaError
from headend.media.color import with_color
from headend.media.flv import serialize_header, serialize_tag
from headend.media.headers import Codec
from headend.media.steps import Steps
from headend.media.tag import AUDIO, VIDEO, Tag, TagKind
from headend.media.track_config import TrackConfig

# FFmpeg's own lines say nothing that the errors do not.
av.logging.set_level(av.logging.PANIC)

Container = Literal["fmp4", "mpegts"]

MICROSECOND: Final = Fraction(1, 1_000_000)
# A fragment, or a part of a segment in MPEG-TS, comes out in one piece up to here, without a copy
# more. Memory that no fragment has filled yet is not taken.
BUFFER_BYTES: Final = 256 * 1024
MAX_HOLE_MS: Final = 60_000  # in one track; one of 12 hours is more than MP4 can say
# FFmpeg holds back packets of the same time until a later one comes: audio is moved by less than
# anybody hears, so that none are.
AUDIO_SHIFT: Final = 100

SOUNDS_US: Final = 300_000  # microseconds of sound in one PES packet of MPEG-TS

# What FFmpeg writes of these needs a packet first: the init segment comes with a fragment.
_DELAYED: Final = frozenset((Codec.AC3, Codec.EAC3))

CODECS: Final[dict[Container | Literal["pyav"], frozenset[Codec]]] = {
    "fmp4": frozenset(
        {Codec.H264, Codec.HEVC, Codec.AV1, Codec.VP9}
        | {Codec.AAC, Codec.MP3, Codec.OPUS, Codec.FLAC, Codec.AC3, Codec.EAC3}
    ),
    "mpegts": frozenset({Codec.H264, Codec.HEVC, Codec.AAC, Codec.MP3, Codec.AC3, Codec.EAC3}),
    # Packets for programs: whatever FFmpeg decodes.
    "pyav": frozenset(Codec) - {Codec.UNKNOWN},
}


@dataclass(frozen=True, slots=True)
class Track:
    """A track to be packaged.

    Attributes:
        config: What it is.
        tag: Its sequence header, or a coded frame of a codec without one.
    """

    config: TrackConfig
    tag: Tag


_BOX_HEADER: Final = 8  # size and type
_SAMPLE_SIZE: Final = 22  # from the name of an AudioSampleEntry to its samplesize

# What stands before the record in a sequence header.
_HEADS: Final = {
    Codec.H264: b"\x17\x00\x00\x00\x00",
    Codec.HEVC: b"\x90hvc1",
    Codec.AV1: b"\x90av01",
    Codec.VP9: b"\x90vp09",
    Codec.AAC: b"\xaf\x00",
    Codec.OPUS: b"\x90Opus",
    Codec.FLAC: b"\x90fLaC",
}

# FFmpeg's names of channel layouts, by number of channels.
_LAYOUTS: Final = {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 5: "5.0", 6: "5.1", 8: "7.1"}


class Packet(NamedTuple):
    """One access unit.

    Attributes:
        kind: AUDIO or VIDEO.
        dts: Decoding time in ms, not wrapped, never going back within a kind.
        pts: Presentation time in ms.
        is_keyframe: Decoding can start here; true for audio.
        payload: Without any header of FLV.
        is_independent: Of a keyframe: decoding that starts here gives whole pictures at once.
    """

    kind: TagKind
    dts: int
    pts: int
    is_keyframe: bool
    payload: bytes
    is_independent: bool = True

    @property
    def starts_gop(self) -> bool:
        """It is a picture with which decoding can start."""
        return self.kind is VIDEO and self.is_keyframe


class BadPacketError(MediaError):
    """FFmpeg does not take a packet; the muxer goes on without it."""


class _Output:
    """What the muxer writes to."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.pieces.append(data)
        return len(data)

    def take(self) -> bytes:
        data = b"".join(self.pieces)
        self.pieces.clear()
        return data


class Muxer:
    """One run of media whose tracks do not change.

    Attributes:
        init: The init segment of MP4, empty until it is known; always empty for MPEG-TS.
    """

    def __init__(
        self, tracks: Sequence[Track], container: Container, fragment_ms: int = 1000
    ) -> None:
        """Open a muxer.

        Args:
            tracks: At most one of each kind.
            container: What comes out.
            fragment_ms: A fragment ends before it is longer.

        Raises:
            MediaError: FFmpeg takes no such tracks.
        """
        self.init = b""
        self._is_mp4 = container == "fmp4"
        self._output = _Output()
        self._color = next((t.config.color for t in tracks if t.config.color is not None), None)
        self._flac = [track.config for track in tracks if track.config.codec is Codec.FLAC]
        self._keeps_back = len(tracks) > 1
        self._steps: dict[TagKind, Steps] = {}
        self._newest: dict[TagKind, int] = {}
        self._waiting: Packet | None = None
        self._waiting_order = -inf
        try:
            with av.open(io.BytesIO(_preamble(tracks)), "r", format="flv") as template:
                self._open(template, tracks, fragment_ms)
        except (FFmpegError, ValueError, LookupError, OverflowError) as error:
            raise MediaError(f"FFmpeg cannot package these tracks: {_reason(error)}") from error
        self._keep_init()

    def _open(
        self,
        template: "av.container.InputContainer",
        tracks: Sequence[Track],
        fragment_ms: int,
    ) -> None:
        # Not `cmaf`: it moves the pictures against the sound, by what the first one is reordered.
        flags = ["empty_moov", "default_base_moof", "frag_keyframe", "skip_trailer"]
        flags.append("frag_discont")  # times are those of the packets, not counted from 0
        if any(track.config.codec in _DELAYED for track in tracks):
            flags.append("delay_moov")
        options = {"avoid_negative_ts": "disabled", "max_interleave_delta": "1"}
        if not self._is_mp4:
            # Its counters start anew with each segment.
            options |= {"mpegts_flags": "initial_discontinuity", "flush_packets": "0"}
            # Each segment begins with what these tables say: it is not said again within.
            options |= {"pat_period": "3600", "sdt_period": "3600"}
            # Sounds of so much time share a packet of 188 bytes; each alone would fill one or two.
            options |= {"max_delay": str(SOUNDS_US)}
        else:
            options |= {
                "movflags": "+".join(flags),
                "use_editlist": "0",
                "frag_duration": str(fragment_ms * 1000),
            }
        self._muxer = av.open(
            self._output,
            "w",
            format="mp4" if self._is_mp4 else "mpegts",
            options=options,
            buffer_size=BUFFER_BYTES,
        )
        self._streams = {}
        for track in tracks:
            kind = track.config.kind
            source = (template.streams.video if kind is VIDEO else template.streams.audio)[0]
            stream = self._muxer.add_stream_from_template(source, opaque=True)
            context = stream.codec_context
            config = track.config
            if isinstance(context, av.VideoCodecContext):
                context.width, context.height = config.width, config.height
                if config.codec is Codec.VP9:
                    context.pix_fmt = _vp9_pixels(config.record)
            else:
                assert isinstance(context, av.AudioCodecContext)
                context.sample_rate = config.sample_rate
                context.layout = _LAYOUTS.get(config.channels, "stereo")
            self._streams[kind] = stream
        self._muxer.start_encoding()

    def write(self, packet: Packet) -> tuple[bytes, Packet | None]:
        """Take a packet; with two tracks it goes into a fragment when the next one comes.

        Returns:
            The fragment that ended, mostly none, and the packet that went into the next one: in
            the order of time, none at first.

        Raises:
            BadPacketError: FFmpeg does not take it, or does not take the one it has kept back.
            MediaError: FFmpeg writes what is no MP4; the muxer is finished.
        """
        # Hot path: once for every packet.
        kind, dts, pts, is_keyframe, payload, _ = packet
        duration = self._duration(kind, dts)
        made = av.Packet(payload)
        shift = AUDIO_SHIFT if kind is AUDIO else 0
        made.pts, made.dts = pts * 1000 + shift, dts * 1000 + shift
        made.time_base = MICROSECOND
        made.is_keyframe = is_keyframe
        made.duration = duration * 1000
        made.stream = self._streams[kind]
        try:
            self._muxer.mux_one(made)
        except (FFmpegError, ValueError) as error:
            raise BadPacketError(f"FFmpeg does not take a packet: {_reason(error)}") from error
        # Of several tracks FFmpeg keeps the latest packet back.
        written: Packet | None = packet
        if self._keeps_back:
            order = dts * 2 + (kind is AUDIO)  # see AUDIO_SHIFT
            if order >= self._waiting_order:
                written, self._waiting, self._waiting_order = self._waiting, packet, order
        if not self._output.pieces or not self._is_mp4:
            return b"", written
        self._keep_init()
        return self._output.take(), written

    def _duration(self, kind: TagKind, dts: int) -> int:
        """Return how long a packet lasts, ms, if FFmpeg can take it at its time at all.

        Its MP4 muxer aborts the process on a hole of hours in a track, and on durations below 0.
        """
        steps = self._steps.get(kind)
        if steps is None:
            steps = self._steps[kind] = Steps()
        elif dts - self._newest[kind] > MAX_HOLE_MS:
            raise MediaError(f"nothing came of a track for over {MAX_HOLE_MS // 1000} s")
        if dts < steps.earliest:
            raise BadPacketError("packets do not come in the order of their times")
        self._newest[kind] = dts
        return steps.add(dts)

    def finish(self) -> list[bytes]:
        """End; return the last fragment, or all of MPEG-TS. Nothing follows.

        Returns:
            One piece, empty where nothing is left or FFmpeg has given up. Two, if the packet `kept`
            begins a fragment of its own.
        """
        with suppress(FFmpegError, ValueError):  # what was written is all there is
            self._muxer.close()
        try:
            self._keep_init()
            data = self._output.take()
            size = _fragment_size(data) if self._is_mp4 else len(data)
        except MediaError:
            return [b""]
        return [data[:size], data[size:]] if size < len(data) else [data]

    @property
    def kept(self) -> Packet | None:
        """The packet that FFmpeg keeps back until it has seen the next one, or the end."""
        return self._waiting

    def _keep_init(self) -> None:
        """Move the init segment out of what was written, once it is there."""
        if not self._is_mp4 or self.init or not self._output.pieces:
            return
        data = self._output.take()
        end = _init_size(data)
        self.init = with_color(_with_sample_sizes(data[:end], self._flac), self._color)
        self._output.pieces.append(data[end:])
        if not self._output.pieces[0]:
            self._output.pieces.clear()


def init_of(tracks: Sequence[Track], held: Sequence[Packet]) -> bytes:
    """Return the init segment of MP4 for tracks.

    Args:
        tracks: At most one of each kind.
        held: Their first packets, without which FFmpeg cannot write it for some codecs.

    Raises:
        MediaError: FFmpeg takes no such tracks.
    """
    muxer = Muxer(tracks, "fmp4")
    if not muxer.init:
        for packet in held:
            muxer.write(packet)
        muxer.finish()
    if not muxer.init:
        raise MediaError("FFmpeg does not know how to write these tracks")
    return muxer.init


def unusable(tracks: Sequence[Track], container: Container) -> list[Track]:
    """Return the tracks that FFmpeg does not take even alone."""

    def is_refused(track: Track) -> bool:
        try:
            Muxer([track], container)
        except MediaError:
            return True
        return False

    return [track for track in tracks if is_refused(track)]


def _reason(error: Exception) -> str:
    """Return FFmpeg's own words, without its number and the name of a file that there is not."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _vp9_pixels(record: bytes) -> str:
    """Name the pixels that a vpcC tells of: FFmpeg writes another by it, and none without."""
    depth, subsampling = record[6] >> 4, record[6] >> 1 & 7
    name = {2: "yuv422p", 3: "yuv444p"}.get(subsampling, "yuv420p")
    return f"{name}{depth}le" if depth > 8 else name


def _with_sample_sizes(init: bytes, tracks: Sequence[TrackConfig]) -> bytes:
    """Write the sample sizes of FLAC, which FFmpeg gives as 0 and Chromium then refuses.

    Source: Encapsulation of FLAC in ISO Base Media File Format 0.0.4, 3.3.2.
    """
    for config in tracks:
        info = _stream_info(config.record)
        bits = ((info[12] & 1) << 4 | info[13] >> 4) + 1
        before, name, after = init.partition(b"fLaC")
        at = _SAMPLE_SIZE - len(name)
        init = before + name + after[:at] + bits.to_bytes(2, "big") + after[at + 2 :]
    return init


def _stream_info(record: bytes) -> bytes:
    """Return STREAMINFO, which stands alone or behind `fLaC` and a block header."""
    return record[8:42] if record.startswith(b"fLaC") else record


def _init_size(data: bytes) -> int:
    """Return the size of what stands before the first fragment; of all if there is none.

    Raises:
        MediaError: A box is smaller than its header or passes the end: FFmpeg has given up on it.
            Of a codec that it does not recognise it leaves a `moov` of size 0.
    """
    offset = 0
    while offset < len(data) and data[offset + 4 : offset + 8] != b"moof":
        size = int.from_bytes(data[offset : offset + 4], "big")
        if not _BOX_HEADER <= size <= len(data) - offset:
            raise MediaError("FFmpeg does not know how to write these tracks")
        offset += size
    return offset


def _fragment_size(data: bytes) -> int:
    """Return the size of the first fragment: all up to the next one."""
    first = int.from_bytes(data[:4], "big")
    return first + _init_size(data[first:])


def _preamble(tracks: Sequence[Track]) -> bytes:
    """Write an FLV file that tells FFmpeg what the tracks are."""
    kinds = {track.config.kind for track in tracks}
    header = serialize_header(has_audio=AUDIO in kinds, has_video=VIDEO in kinds)
    return header + b"".join(serialize_tag(template(track)) for track in tracks)


def template(track: Track) -> Tag:
    """Return the tag by which FFmpeg knows a track: its record alone, whatever it came in.

    Of FLAC it takes STREAMINFO alone into MP4.
    """
    config, body = track.config, track.tag.body
    if config.codec in _HEADS:
        record = _stream_info(config.record) if config.codec is Codec.FLAC else config.record
        body = _HEADS[config.codec] + record
    return track.tag._replace(timestamp=0, body=body)
