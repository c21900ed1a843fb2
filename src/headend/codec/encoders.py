"""FFmpeg's encoders, set up in one place for everything that Headend encodes.

pictures, evenly or not ─► H.264 …  ─┐
                                     ├─► packets of a muxer
sound                   ─► AAC …    ─┘
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import av
from av.video.frame import PictureType

from headend.codec.flv_muxer import Packet

if TYPE_CHECKING:
    from av.container import OutputContainer

MILLISECOND: Final = Fraction(1, 1000)  # the clock of FLV
AAC_RATES: Final = frozenset({44_100, 48_000})  # Hz that every player takes
AAC_FRAME: Final = 1024  # samples


def add_video(
    output: "OutputContainer",
    size: tuple[int, int],
    rate: Fraction,
    gop: int,
    options: Mapping[str, str],
    *,
    codec: str = "libx264",
) -> av.VideoStream:
    """Add pictures of 4:2:0, which halves the sides: an odd one loses a pixel.

    Args:
        output: The muxer.
        size: Width and height in pixels.
        rate: Pictures a second.
        gop: Pictures from one keyframe to the next.
        options: Of the encoder, by FFmpeg's names.
        codec: FFmpeg's name of the encoder.
    """
    stream = output.add_stream(codec, rate=rate, options=dict(options))
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height = (max(2, side & ~1) for side in size)
    stream.pix_fmt = "yuv420p"
    stream.codec_context.gop_size = max(1, gop)
    return stream


def add_audio(
    output: "OutputContainer", rate: int, layout: str, *, codec: str = "aac"
) -> av.AudioStream:
    """Add sound.

    Args:
        output: The muxer.
        rate: Samples a second.
        layout: FFmpeg's name of the channels, such as `stereo`.
        codec: FFmpeg's name of the encoder.
    """
    stream = output.add_stream(codec, rate=rate, layout=layout)
    assert isinstance(stream, av.AudioStream)
    return stream


def add_aac(output: "OutputContainer", rate: int, channels: int, bit_rate: int) -> av.AudioStream:
    """Add AAC that every player takes, for sound that may have any rate and any channels."""
    layout = "mono" if channels == 1 else "stereo"
    stream = add_audio(output, rate if rate in AAC_RATES else 48_000, layout)
    stream.bit_rate = bit_rate
    return stream


def encode_audio(stream: av.AudioStream, frame: av.AudioFrame | None) -> Iterator[Packet]:
    """Encode sound; None brings out what the encoder holds back."""
    for packet in stream.encode(frame):
        # The first ones lie before the sound begins; the muxer would move all others for them.
        if (packet.pts or 0) >= 0:
            yield packet


class UnevenPictures:
    """An encoder of pictures that need not come evenly; each keeps its own time."""

    def __init__(self, stream: av.VideoStream) -> None:
        """Take what `add_video` made, before the first picture."""
        stream.codec_context.time_base = MILLISECOND
        self._stream = stream
        self._newest = -1

    def encode(self, frame: av.VideoFrame | None) -> Iterator[Packet]:
        """Encode a picture; None brings out what the encoder holds back.

        A picture without a time, and one not later than the one before it, is left out: the encoder
        takes no two pictures of one millisecond.
        """
        if frame is not None:
            if frame.time is None or (time := round(frame.time * 1000)) <= self._newest:
                return
            self._newest = time
            frame.pts, frame.time_base = time, MILLISECOND
            frame.pict_type = PictureType.NONE  # or it copies the source's keyframes
        yield from self._stream.encode(frame)


def drawn(width: int, height: int, planes: Sequence[bytes]) -> av.VideoFrame:
    """Make a frame of planes Y, U and V (4:2:0), whose rows follow each other without gaps."""
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, rows in zip(frame.planes, planes, strict=True):
        if gap := bytes(plane.line_size - plane.width):  # in memory a row may be longer
            starts = range(0, len(rows), plane.width)
            rows = b"".join(rows[start : start + plane.width] + gap for start in starts)
        plane.update(rows)
    return frame


def sound(stream: av.AudioStream, position: int, samples: int, wave: bytes = b"") -> av.AudioFrame:
    """Make a frame of sound in the format of an encoder.

    Args:
        stream: Of the encoder.
        position: Samples before this frame.
        samples: Of this frame.
        wave: For every plane, in the encoder's format; empty: silence.
    """
    context = stream.codec_context
    frame = av.AudioFrame(context.format.name, context.layout.name, samples)
    for plane in frame.planes:
        plane.update(wave or bytes(plane.buffer_size))
    frame.sample_rate = context.sample_rate
    frame.pts, frame.time_base = position, Fraction(1, context.sample_rate)
    return frame


def missing_encoders(names: Sequence[str]) -> list[str]:
    """Return which of some encoders FFmpeg was built without."""
    missing = []
    for name in names:
        try:
            av.codec.Codec(name, "w")
        except ValueError:  # of PyAV's UnknownCodecError too
            missing.append(name)
    return missing
