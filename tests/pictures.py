"""True pictures of every codec, as the tags that an encoder would publish."""

import io
from fractions import Fraction
from typing import Final

import av
import av.logging

from headend.codec.still import Still, still
from headend.media.codecs import video_tag
from headend.media.flv import Reader
from headend.media.tag import Tag

ENCODERS: Final = {
    "h264": ("libx264", {"preset": "ultrafast", "bf": "2"}),
    "hevc": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none"}),
    "av1": ("libsvtav1", {"preset": "12"}),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
}
RED: Final = (81, 90, 240)  # Y, Cb and Cr of BT.601
BLUE: Final = (41, 240, 110)


def picture_tags(
    codec: str = "h264",
    size: tuple[int, int] = (640, 352),
    color: tuple[int, int, int] = RED,
    pixel: Fraction = Fraction(1),
) -> list[Tag]:
    """Return the sequence header and some frames of a picture in one colour."""
    av.logging.set_level(av.logging.PANIC)
    name, options = ENCODERS[codec]
    file = io.BytesIO()
    with av.open(file, "w", format="flv") as flv:
        stream = flv.add_stream(name, rate=25, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.sample_aspect_ratio = pixel
        for number in range(3):
            frame = av.VideoFrame(*size, "yuv420p")
            for plane, value in zip(frame.planes, color, strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            frame.pts = number
            flv.mux(stream.encode(frame))
        flv.mux(stream.encode(None))
    reader = Reader()
    reader.receive_data(file.getvalue())
    return [video_tag(tag.timestamp, tag.body) for tag in reader.tags() if tag.kind == 9]


def picture(
    codec: str = "h264",
    size: tuple[int, int] = (640, 352),
    color: tuple[int, int, int] = RED,
    pixel: Fraction = Fraction(1),
) -> Still:
    """Return a keyframe as a decoder takes it."""
    tags = picture_tags(codec, size, color, pixel)
    headers = [tag for tag in tags if tag.is_sequence_header]
    return still(headers, next(tag for tag in tags if tag.is_keyframe))


def decode_jpeg(jpeg: bytes) -> tuple[tuple[int, int], tuple[int, int, int]]:
    """Return a JPEG's size, and the red, green and blue of its middle."""
    decoder = av.VideoCodecContext.create("mjpeg", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    (frame,) = [*decoder.decode(av.Packet(jpeg)), *decoder.decode(None)]
    plane = frame.reformat(format="rgb24").planes[0]
    start = frame.height // 2 * plane.line_size + frame.width // 2 * 3
    red, green, blue = bytes(plane)[start : start + 3]
    return (frame.width, frame.height), (red, green, blue)


def is_red(jpeg: bytes) -> bool:
    red, green, blue = decode_jpeg(jpeg)[1]
    return red > 200 and green < 50 and blue < 50


def is_blue(jpeg: bytes) -> bool:
    red, green, blue = decode_jpeg(jpeg)[1]
    return blue > 200 and red < 50 and green < 50
