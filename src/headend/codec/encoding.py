"""How frames are encoded, without what encodes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Encoding:
    """How frames are encoded: H.264 without delay, and AAC.

    Attributes:
        frame_rate: Pictures a second; gives times to those that have none of their own.
        bit_rate: Of the pictures, bit/s; None: constant quality.
        keyframe_s: From one keyframe to the next, seconds.
        preset: Of x264, from `ultrafast` to `veryslow`.
        audio_bit_rate: bit/s.
        options: More options of x264, by FFmpeg's names.
        is_paced: A frame waits until its time has come: for programs that make pictures faster than
            they are to be seen.
    """

    frame_rate: float = 30
    bit_rate: int | None = None
    keyframe_s: float = 2.0
    preset: str = "veryfast"
    audio_bit_rate: int = 128_000
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    is_paced: bool = False
