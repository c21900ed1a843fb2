"""This module encodes the test signal of `headend demo`: the picture with the clock, and a tone."""

import time
from array import array
from collections.abc import Callable, Generator
from datetime import datetime
from fractions import Fraction
from math import pi, sin
from typing import TYPE_CHECKING, Final

import av

from headend.cli import picture
from headend.codec.flv_muxer import FlvMuxer
from headend.media.tag import Tag

if TYPE_CHECKING:
    from headend.codec.flv_muxer import Packet

FRAME_RATE: Final = 30
KEYFRAME_S: Final = 2
# One thread: the picture is simple, and the cores are the server's.
VIDEO_OPTIONS: Final = {
    "preset": "ultrafast",
    "tune": "zerolatency",
    "crf": "26",
    "threads": "1",
    "sc_threshold": "0",
}
SAMPLE_RATE: Final = 48_000
AAC_FRAME: Final = 1024  # samples
AUDIO_BIT_RATE: Final = 96_000  # bit/s
TONE_HZ: Final = 1000
TONE_LEVEL: Final = 0.1  # of full scale: -20 dB, as of a test tone
PERIOD: Final = SAMPLE_RATE // TONE_HZ  # samples

Draw = Callable[[str, int], bytes]


def batches(draw: Draw = picture.luma) -> Generator[list[Tag], None, None]:
    """Draw and encode in real time, for ever; blocks.

    Args:
        draw: Draws the Y plane of a frame, as `picture.luma` does.
    """
    muxer = FlvMuxer()
    encoders = _Video(muxer, draw), _Audio(muxer)
    started = time.monotonic()
    number = 0
    while True:
        # A machine that is too slow leaves frames out, and stays in time.
        number = max(number + 1, int((time.monotonic() - started) * FRAME_RATE))
        time.sleep(max(0.0, started + number / FRAME_RATE - time.monotonic()))
        yield [
            tag
            for encoder in encoders
            for packet in encoder.encode(number)
            for tag in muxer.mux(packet)
        ]


class _Video:
    """Encodes the picture with the clock of the wall."""

    def __init__(self, muxer: "FlvMuxer", draw: Draw) -> None:
        self._draw = draw
        self._chroma = picture.chroma()
        stream = muxer.container.add_stream("libx264", rate=FRAME_RATE, options=dict(VIDEO_OPTIONS))
        stream.width, stream.height, stream.pix_fmt = picture.WIDTH, picture.HEIGHT, "yuv420p"
        stream.codec_context.gop_size = FRAME_RATE * KEYFRAME_S
        self._stream = stream

    def encode(self, number: int) -> "list[Packet]":
        """Encode frame `number`."""
        clock = datetime.now().isoformat(timespec="milliseconds")[11:]
        frame = av.VideoFrame(picture.WIDTH, picture.HEIGHT, "yuv420p")
        for plane, data in zip(
            frame.planes, (self._draw(clock, number), *self._chroma), strict=True
        ):
            plane.update(data)
        frame.pts, frame.time_base = number, Fraction(1, FRAME_RATE)
        return list(self._stream.encode(frame))


class _Audio:
    """Encodes the tone."""

    def __init__(self, muxer: "FlvMuxer") -> None:
        self._stream = muxer.container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        self._stream.bit_rate = AUDIO_BIT_RATE
        wave = [TONE_LEVEL * sin(2 * pi * i / PERIOD) for i in range(PERIOD)]
        self._wave = array("f", wave * (AAC_FRAME // PERIOD + 2))
        self._position = 0  # samples encoded

    def encode(self, number: int) -> "list[Packet]":
        """Encode what belongs to the time before frame `number`."""
        packets: list[Packet] = []
        while self._position + AAC_FRAME <= number * SAMPLE_RATE // FRAME_RATE:
            start = self._position % PERIOD
            frame = av.AudioFrame("fltp", "mono", AAC_FRAME)
            frame.planes[0].update(self._wave[start : start + AAC_FRAME].tobytes())
            frame.sample_rate = SAMPLE_RATE
            frame.pts, frame.time_base = self._position, Fraction(1, SAMPLE_RATE)
            packets += self._stream.encode(frame)
            self._position += AAC_FRAME
        return packets
