"""The way of a file's stream into FLV: as it is, or encoded anew.

copied    packet ─► packet
encoded   packet ─► decoder ─► frames ─► H.264 or AAC ─► packets
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Final, TypeAlias

import av

from headend.codec.decoding_times import DecodingTimes
from headend.codec.encoders import UnevenPictures, add_aac, add_video, encode_audio
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
AUDIO_BIT_RATE: Final = 128_000  # bit/s


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
        return _encoded_video(stream, output)
    return _encoded_audio(stream, output)


def _copied(out: Stream) -> Track:
    times = DecodingTimes()

    def take(packet: Packet) -> Iterator[Packet]:
        # A packet without data ends the stream.
        for ready in times.take(packet) if packet.size else times.flush():
            ready.stream = out
            yield ready

    return take


def _encoded_video(stream: av.VideoStream, output: "OutputContainer") -> Track:
    rate = stream.average_rate or stream.guessed_rate or DEFAULT_FRAME_RATE
    rate = rate if 0 < rate <= MAX_FRAME_RATE else DEFAULT_FRAME_RATE
    size, gop = (stream.width, stream.height), round(rate * KEYFRAME_S)
    encoder = UnevenPictures(add_video(output, size, rate, gop, VIDEO_OPTIONS))

    def take(packet: Packet) -> Iterator[Packet]:
        for frame in packet.decode():
            assert isinstance(frame, av.VideoFrame)
            yield from encoder.encode(frame)
        if packet.size == 0:
            yield from encoder.encode(None)

    return take


def _encoded_audio(stream: av.AudioStream, output: "OutputContainer") -> Track:
    out = add_aac(output, stream.rate, stream.channels, AUDIO_BIT_RATE)

    def take(packet: Packet) -> Iterator[Packet]:
        for frame in packet.decode():
            assert isinstance(frame, av.AudioFrame)
            yield from encode_audio(out, frame)
        if packet.size == 0:
            yield from encode_audio(out, None)

    return take
