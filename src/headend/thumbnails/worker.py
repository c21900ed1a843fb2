"""A process that makes JPEG pictures of keyframes: `python -m` runs it.

What it decodes comes from strangers, so it may crash, hang or want too much without harm to the
server: it holds no secrets, writes no files, and has limits of memory and CPU. It imports little,
and ends when the server closes its input.

    in   codec 8 bytes, padded with zeros | width, size of record, size of picture u32 | both
    out  a ready byte at the start; then for each: 0 JPEG or 1 fault in words u8 | size u32 | bytes
"""

import os
import resource
import struct
import sys
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO, Final

import av
import av.logging
from av.video.reformatter import Colorspace, Interpolation

REQUEST: Final = struct.Struct("!8sIII")
ANSWER: Final = struct.Struct("!BI")
READY: Final = b"R"
OK: Final = 0
FAULT: Final = 1

# Pictures of 8192 × 4608, of which a decoder holds several, fit; a sequence header that claims
# more does not.
MEMORY_BYTES: Final = 1 << 30
PIXELS: Final = 8192 * 4608
CPU_S: Final = 10  # for one picture; the server gives up sooner, unless it is gone
QUALITY: Final = 5  # of 2 (best) to 31
TALLEST: Final = 2  # heights of at most so many widths
FAULT_CHARACTERS: Final = 200

DECODERS: Final = {
    "h264": "h264", "hevc": "hevc", "av1": "libdav1d", "vp8": "vp8", "vp9": "vp9",
}  # fmt: skip


def main() -> None:
    """Serve until the input ends."""
    av.logging.set_level(av.logging.PANIC)
    # Whatever a library prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    os.nice(5)
    answers.write(READY)
    serve(sys.stdin.buffer, answers)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer every request, until there are no more."""
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        codec, width, record_size, picture_size = REQUEST.unpack(head)
        record, picture = requests.read(record_size), requests.read(picture_size)
        used = resource.getrusage(resource.RUSAGE_SELF)
        _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + CPU_S)
        try:
            kind, body = OK, thumbnail(codec.rstrip(b"\0").decode(), record, picture, width)
        except MemoryError:
            kind, body = FAULT, b"it needs too much memory"
        except Exception as error:  # FFmpeg's own, of many kinds
            kind, body = FAULT, (str(error) or type(error).__name__)[:FAULT_CHARACTERS].encode()
        answers.write(ANSWER.pack(kind, len(body)) + body)
        answers.flush()


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


def _limit(what: int, value: int) -> None:
    """Lower the soft limit; no picture is worth a failure where a system has no such limit."""
    hard = resource.getrlimit(what)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    try:
        resource.setrlimit(what, (value, hard))
    except (ValueError, OSError):
        return


if __name__ == "__main__":
    main()
