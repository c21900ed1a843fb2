"""This module generates short media for tests: H.264 with a picture that moves, AAC with a tone."""

import io
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import pi, sin
from typing import Final

import av

from headend.media import flv
from headend.media.tag import AUDIO, VIDEO, Tag

SAMPLE_RATE: Final = 44_100
AAC_FRAME: Final = 1024  # samples
TONE_HZ: Final = 440
TONE_LEVEL: Final = 0.1  # of full scale
BOX: Final = 16  # pixels
VIDEO_OPTIONS: Final = {"preset": "ultrafast", "sc_threshold": "0", "threads": "1"}


@dataclass(frozen=True, slots=True)
class Clip:
    """Media to publish.

    Attributes:
        tags: Metadata, sequence headers and media, with timestamps from 0 on.
        duration_ms: Until it would go on.
    """

    tags: tuple[Tag, ...]
    duration_ms: int

    def repeated(self) -> Iterator[Tag]:
        """Give the tags again and again, on one timeline that never ends."""
        start = 0
        while True:
            for tag in self.tags:
                is_setup = tag.is_sequence_header or tag.kind not in (AUDIO, VIDEO)
                if not (start and is_setup):
                    yield tag._replace(timestamp=(start + tag.timestamp) & 0xFFFF_FFFF)
            start += self.duration_ms


@cache
def make_clip(
    duration_s: float = 2.0,
    *,
    width: int = 160,
    height: int = 96,
    frame_rate: int = 25,
    gop: int = 10,
    has_audio: bool = True,
    has_b_frames: bool = False,
) -> Clip:
    """Generate a clip; the same one is generated once in a process.

    Args:
        duration_s: Seconds.
        width: Pixels, even.
        height: Likewise.
        frame_rate: Pictures a second.
        gop: Pictures from one keyframe to the next.
        has_audio: With a tone in AAC.
        has_b_frames: Encode as encoders do that have time: pictures out of order.
    """
    output = io.BytesIO()
    pictures = round(duration_s * frame_rate)
    with av.open(output, "w", format="flv") as container:
        video = container.add_stream("libx264", rate=frame_rate, options=dict(VIDEO_OPTIONS))
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.gop_size = gop
        video.codec_context.max_b_frames = 2 if has_b_frames else 0
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono") if has_audio else None
        sounds = _sounds(round(duration_s * SAMPLE_RATE))
        heard = 0  # samples
        for number in range(pictures):
            container.mux(video.encode(_picture(number, width, height, frame_rate)))
            while audio is not None and heard <= number * SAMPLE_RATE // frame_rate:
                sound = next(sounds, None)
                if sound is None:
                    break
                container.mux(audio.encode(sound))
                heard += AAC_FRAME
        container.mux(video.encode(None))
        if audio is not None:
            container.mux(audio.encode(None))
    reader = flv.Reader()
    reader.receive_data(output.getvalue())
    tags = [tag for tag in reader.tags() if not _is_end(tag)]
    return Clip(tuple(tags), round(pictures * 1000 / frame_rate))


def _picture(number: int, width: int, height: int, frame_rate: int) -> av.VideoFrame:
    """Draw a grey ramp with a box that moves."""
    frame = av.VideoFrame(width, height, "yuv420p")
    luma, *chroma = frame.planes
    rows = bytearray(bytes(32 + x * 160 // width for x in range(width)) * height)
    x, y = number * 4 % (width - BOX), number * 2 % (height - BOX)
    for row in range(y, y + BOX):
        rows[row * width + x : row * width + x + BOX] = bytes((235,)) * BOX
    _fill(luma, bytes(rows), width)
    for plane in chroma:
        _fill(plane, bytes((128,)) * (width // 2 * (height // 2)), width // 2)
    frame.pts, frame.time_base = number, Fraction(1, frame_rate)
    return frame


def _fill(plane: av.video.plane.VideoPlane, rows: bytes, width: int) -> None:
    """Write a plane, whose rows may be longer in memory than they are wide."""
    padding = bytes(plane.line_size - width)
    if padding:
        rows = b"".join(rows[i : i + width] + padding for i in range(0, len(rows), width))
    plane.update(rows)


def _sounds(samples: int) -> Iterator[av.AudioFrame]:
    for start in range(0, samples - AAC_FRAME + 1, AAC_FRAME):
        wave = (
            TONE_LEVEL * sin(2 * pi * TONE_HZ * (start + i) / SAMPLE_RATE) for i in range(AAC_FRAME)
        )
        frame = av.AudioFrame("fltp", "mono", AAC_FRAME)
        frame.planes[0].update(array("f", wave).tobytes())
        frame.sample_rate = SAMPLE_RATE
        frame.pts, frame.time_base = start, Fraction(1, SAMPLE_RATE)
        yield frame


def _is_end(tag: Tag) -> bool:
    """Say whether this is AVC's end of sequence, with which FFmpeg ends a file."""
    return tag.kind is VIDEO and tag.body[:2] == b"\x17\x02"
