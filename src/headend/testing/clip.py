"""Short media for tests, cut from the test signal: H.264 with a clock in it, AAC with a tone."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from headend.codec.signal import SignalEncoder, SignalFormat
from headend.media.codecs import is_end
from headend.media.tag import AUDIO, VIDEO, Tag


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
        height: Pixels, even.
        frame_rate: Pictures a second.
        gop: Pictures from one keyframe to the next.
        has_audio: With a tone in AAC.
        has_b_frames: Encode as encoders do that have time: pictures out of order.
    """
    encoder = SignalEncoder(SignalFormat(width, height, frame_rate, gop, has_audio, has_b_frames))
    pictures = round(duration_s * frame_rate)
    tags: list[Tag] = []
    for number in range(pictures):
        tags += encoder.encode(number, _clock(number * 1000 // frame_rate))
    tags += encoder.close()
    kept = tuple(tag for tag in tags if not is_end(tag))
    return Clip(kept, round(pictures * 1000 / frame_rate))


def _clock(time_ms: int) -> str:
    seconds, ms = divmod(time_ms, 1000)
    minutes, second = divmod(seconds, 60)
    return f"{minutes // 60 % 24:02}:{minutes % 60:02}:{second:02}.{ms:03}"
