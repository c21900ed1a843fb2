"""What a video configuration says of the picture, whatever the codec."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PictureConfig:
    """What a decoder configuration record says.

    Attributes:
        codecs: Codec as RFC 6381 writes it.
        width: Luma samples, after cropping; 0: not said.
        height: The same of lines.
        frame_rate: Frames a second; None: not said, or not fixed.
        profile: Such as "High"; None: one without a name here.
        level: Such as "3.1".
        reordered: How many pictures a decoder holds back to show them in order; None: not said.
    """

    codecs: str
    width: int = 0
    height: int = 0
    frame_rate: float | None = None
    profile: str | None = None
    level: str | None = None
    reordered: int | None = None
