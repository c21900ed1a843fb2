"""This module decides how a stream of a file gets into FLV: as it is, or encoded anew.

copied    packet ─► packet
encoded   packet ─► decoder ─► frames ─► H.264 or AAC ─► packets
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Final, TypeAlias

import av
from av.video.frame import PictureType

from headend.codec.decoding_times import DecodingTimes
from headend.codec.flv_muxer import Packet

if TYPE_CHECKING:
    from av.container import OutputContainer

Stream: TypeAlias = "av.VideoStream | av.AudioStream"
Track: TypeAlias = Callable[[Packet], Iterator[Packet]]

# Codecs by FFmpeg's names: those that every RTMP server takes, and those of Enhanced RTMP.
OLD_CODECS: Final = frozenset({"h264", "aac", "mp3"})
ENHANCED_CODECS: Final = frozenset({"hevc", "av1", "vp9", "opus", "flac", "ac3", "eac3"})
# Hz that the header of an FLV audio tag can name; FFmpeg writes MP3 of 48 kHz as of 44.1.
MP3_RATES: Final = frozenset({11025, 22050, 44100, 48000})

VIDEO_OPTIONS: Final = {"preset": "veryfast", "tune": "zerolatency", "crf": "21"}
KEYFRAME_S: Final = 2  # what platforms ask for
DEFAULT_FRAME_RATE: Final = Fraction(30)
MAX_FRAME_RATE: Final = 120  # a stream that names more names its clock
MILLISECOND: Final = Fraction(1, 1000)  # the clock of FLV
AUDIO_BIT_RATE: Final = 128_000  # bit/s
AAC_RATES: Final = frozenset({44100, 48000})


def is_enhanced(stream: Stream) -> bool:
    """Tell whether a stream needs Enhanced RTMP."""
    return stream.codec.canonical_name in ENHANCED_CODECS


def transcoding(stream: Stream) -> str | None:
    """Tell a person what becomes of a stream that cannot go as it is."""
    codec = stream.codec.canonical_name
    if isinstance(stream, av.AudioStream) and codec == "mp3" and stream.rate not in MP3_RATES:
        return f"mp3 of {stream.rate} Hz does not fit into RTMP: encoding it as AAC"
    if codec in OLD_CODECS or codec in ENHANCED_CODECS:
        return None
    target = "H.264" if isinstance(stream, av.VideoStream) else "AAC"
    return f"{codec} does not fit into RTMP: encoding it as {target}"


def add_track(stream: Stream, output: "OutputContainer") -> Track:
    """Add a stream to an FLV muxer.

    Returns:
        What makes the muxer's packets of each packet of the stream. Packets without data, which end
        a stream, bring out what the encoder held back.
    """
    if transcoding(stream) is None:
        # As it is: the decoder that reads AV1 has a name by which PyAV would look for an encoder.
        return _copied(output.add_stream_from_template(stream, opaque=True))
    if isinstance(stream, av.VideoStream):
        return _encoded_video(_add_video(stream, output))
    return _encoded_audio(_add_audio(stream, output))


def _copied(out: Stream) -> Track:
    times = DecodingTimes()

    def take(packet: Packet) -> Iterator[Packet]:
        # A packet without data ends the stream.
        for ready in times.take(packet) if packet.size else times.flush():
            ready.stream = out
            yield ready

    return take


def _add_video(stream: av.VideoStream, output: "OutputContainer") -> av.VideoStream:
    rate = stream.average_rate or stream.guessed_rate or DEFAULT_FRAME_RATE
    rate = rate if 0 < rate <= MAX_FRAME_RATE else DEFAULT_FRAME_RATE
    out = output.add_stream("libx264", rate=rate, options=dict(VIDEO_OPTIONS))
    out.width, out.height = stream.width & ~1, stream.height & ~1  # 4:2:0 halves them
    out.pix_fmt = "yuv420p"
    out.codec_context.gop_size = max(1, round(rate * KEYFRAME_S))
    out.codec_context.time_base = MILLISECOND  # frames need not come evenly
    return out


def _add_audio(stream: av.AudioStream, output: "OutputContainer") -> av.AudioStream:
    rate = stream.rate if stream.rate in AAC_RATES else 48000
    layout = "stereo" if stream.channels > 1 else "mono"
    out = output.add_stream("aac", rate=rate, layout=layout)
    out.bit_rate = AUDIO_BIT_RATE
    return out


def _encoded_video(out: av.VideoStream) -> Track:
    last = -1

    def take(packet: Packet) -> Iterator[Packet]:
        nonlocal last
        for frame in packet.decode():
            assert isinstance(frame, av.VideoFrame)
            time = frame.time
            # The encoder takes no two frames of one millisecond.
            if time is None or (milliseconds := round(time * 1000)) <= last:
                continue
            last = milliseconds
            frame.pts, frame.time_base = milliseconds, MILLISECOND
            frame.pict_type = PictureType.NONE  # or it copies the source's keyframes
            yield from out.encode(frame)
        if packet.size == 0:
            yield from out.encode(None)

    return take


def _encoded_audio(out: av.AudioStream) -> Track:
    def take(packet: Packet) -> Iterator[Packet]:
        for frame in packet.decode():
            assert isinstance(frame, av.AudioFrame)
            yield from out.encode(frame)
        if packet.size == 0:
            yield from out.encode(None)

    return take
