"""The test signal: a picture with a clock and a tone, encoded as H.264 and AAC.

`headend demo` sends it in real time, `headend.testing` cuts clips from it.
"""

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import pi, sin
from typing import Final

import av

from headend.codec.encoders import (
    AAC_FRAME,
    add_audio,
    add_video,
    drawn,
    encode_audio,
    sound,
)
from headend.codec.flv_muxer import FlvMuxer
from headend.codec.signal_picture import HEIGHT, WIDTH, SignalPicture
from headend.media.tag import Tag

# One thread: the picture is simple, and the cores are the server's.
OPTIONS: Final = {"preset": "ultrafast", "crf": "26", "threads": "1", "sc_threshold": "0"}
SAMPLE_RATE: Final = 48_000
AUDIO_BIT_RATE: Final = 96_000  # bit/s
TONE_HZ: Final = 1000
TONE_LEVEL: Final = 0.1  # of full scale: -20 dB, as of a test tone
PERIOD: Final = SAMPLE_RATE // TONE_HZ  # samples

Draw = Callable[[str, int], bytes]


@dataclass(frozen=True, slots=True)
class SignalFormat:
    """What a test signal is like.

    Attributes:
        width: Pixels, even.
        height: Pixels, even.
        frame_rate: Pictures a second.
        gop: Pictures from one keyframe to the next.
        has_audio: There is a tone.
        has_b_frames: Pictures come out of order, as from encoders that have time.
    """

    width: int = WIDTH
    height: int = HEIGHT
    frame_rate: int = 30
    gop: int = 60
    has_audio: bool = True
    has_b_frames: bool = False


class SignalEncoder:
    """Encodes one test signal, picture by picture."""

    def __init__(self, form: SignalFormat, draw: Draw | None = None) -> None:
        """Set up the encoders.

        Args:
            form: What the signal is like.
            draw: Draws the Y plane of a frame; None: `SignalPicture.luma`.
        """
        picture = SignalPicture(form.width, form.height)
        self._form = form
        self._draw = draw or picture.luma
        self._chroma = picture.chroma()
        self._muxer = FlvMuxer()
        tune = {} if form.has_b_frames else {"tune": "zerolatency"}
        size, rate = (form.width, form.height), Fraction(form.frame_rate)
        self._video = add_video(self._muxer.container, size, rate, form.gop, OPTIONS | tune)
        self._video.codec_context.max_b_frames = 2 if form.has_b_frames else 0
        self._tone = _Tone(self._muxer) if form.has_audio else None

    def encode(self, number: int, clock: str) -> list[Tag]:
        """Encode a picture, and the tone up to its end.

        Args:
            number: Of the picture; may leave some out.
            clock: What it shows, `HH:MM:SS.mmm`.
        """
        form = self._form
        planes = (self._draw(clock, number), *self._chroma)
        frame = drawn(form.width, form.height, planes)
        frame.pts, frame.time_base = number, Fraction(1, form.frame_rate)
        tags = [tag for packet in self._video.encode(frame) for tag in self._muxer.mux(packet)]
        if self._tone is not None:
            tags += self._tone.encode((number + 1) * SAMPLE_RATE // form.frame_rate)
        return tags

    def close(self) -> list[Tag]:
        """Return what the encoders hold back, and how each track ends."""
        tags = [tag for packet in self._video.encode(None) for tag in self._muxer.mux(packet)]
        if self._tone is not None:
            tags += self._tone.encode(None)
        return tags + self._muxer.close()


class _Tone:
    """Encodes the tone."""

    def __init__(self, muxer: FlvMuxer) -> None:
        self._muxer = muxer
        self._stream = add_audio(muxer.container, SAMPLE_RATE, "mono")
        self._stream.bit_rate = AUDIO_BIT_RATE
        wave = [TONE_LEVEL * sin(2 * pi * i / PERIOD) for i in range(PERIOD)]
        self._wave = array("f", wave * (AAC_FRAME // PERIOD + 2))
        self._position = 0  # samples encoded

    def encode(self, end: int | None) -> list[Tag]:
        """Encode whole frames up to a sample; None brings out what is held back."""
        frames: list[av.AudioFrame | None] = [None] if end is None else []
        while end is not None and self._position + AAC_FRAME <= end:
            start = self._position % PERIOD
            wave = self._wave[start : start + AAC_FRAME].tobytes()
            frames.append(sound(self._stream, self._position, AAC_FRAME, wave))
            self._position += AAC_FRAME
        packets = [packet for frame in frames for packet in encode_audio(self._stream, frame)]
        return [tag for packet in packets for tag in self._muxer.mux(packet)]
