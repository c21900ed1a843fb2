"""Keyframes as small JPEG pictures; `headend.thumbnails.worker` makes them in its own process."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

import av
import av.logging
from av.video.reformatter import Colorspace, Interpolation

PIXELS: Final = 8192 * 4608
QUALITY: Final = 5  # of 2 (best) to 31
TALLEST: Final = 2  # heights of at most so many widths

DECODERS: Final = {
    "h264": "h264", "hevc": "hevc", "av1": "libdav1d", "vp8": "vp8", "vp9": "vp9",
}  # fmt: skip


def thumbnail(codec: str, record: bytes, picture: bytes, width: int) -> bytes:
    """Decode a keyframe and return it as JPEG.

    Args:
        codec: A key of DECODERS.
        record: Decoder configuration record; may be empty.
        picture: The access unit.
        width: Of the JPEG; a smaller picture stays as it is.

    Raises:
        ValueError: The codec is not known, or nothing came out.
        MemoryError: The picture is too large.
        av.FFmpegError: The decoder takes no such bytes.
    """
    if codec not in DECODERS:
        raise ValueError(f"there is no decoder of {codec}")
    decoder = av.VideoCodecContext.create(DECODERS[codec], "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    # Some encoders' keyframes are no IDR pictures: what the decoder has is better than nothing.
    decoder.options = {
        "max_pixels": str(PIXELS), "flags": "+output_corrupt", "flags2": "+showall",
    }  # fmt: skip
    if record:
        decoder.extradata = record
    frame = next(_decoded(decoder, picture), None)
    if frame is None:
        raise ValueError("no picture came out of the decoder")
    return _jpeg(frame, decoder.sample_aspect_ratio or Fraction(1), width)


def _decoded(decoder: av.VideoCodecContext, picture: bytes) -> Iterator[av.VideoFrame]:
    packet = av.Packet(picture)
    packet.is_keyframe = True
    yield from decoder.decode(packet)
    yield from decoder.decode(None)


def _jpeg(frame: av.VideoFrame, pixel: Fraction, width: int) -> bytes:
    """Scale to a width, or less, with square pixels."""
    wide, high = frame.width, frame.height
    wide = max(1, round(wide * min(max(float(pixel), 0.1), 10.0)))
    if (scale := min(width / wide, TALLEST * width / high)) < 1:
        wide, high = max(1, round(wide * scale)), max(1, round(high * scale))
    scaled = frame.reformat(
        wide, high, "yuvj420p", dst_colorspace=Colorspace.ITU601, interpolation=Interpolation.AREA
    )
    encoder = av.VideoCodecContext.create("mjpeg", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = wide, high, "yuvj420p"
    encoder.thread_count = 1
    encoder.options = {"qmin": str(QUALITY), "qmax": str(QUALITY)}
    encoder.framerate = Fraction(1)
    return b"".join(bytes(packet) for packet in (*encoder.encode(scaled), *encoder.encode(None)))
