"""Tags for the tests of HLS: true headers, frames of whole NAL units."""

from tests.wire import wire

from headend.media.codecs import audio_tag, video_tag
from headend.media.tag import Tag

# 160 × 96, Constrained Baseline, 25 frames a second.
AVCC = wire(
    "0142c00bffe1001b 6742c00bd9028dbff000400051000003000100000300320f142a48 01000568cb83cb20"
)
AVCC_2 = AVCC[:-1] + b"\x21"


def video_header(record: bytes = AVCC) -> Tag:
    return video_tag(0, wire("17 00 000000") + record)


def audio_header(record: str = "1208 56e500") -> Tag:
    return audio_tag(0, wire("af 00") + wire(record))


def key(time: int, size: int = 20) -> Tag:
    return video_tag(time, wire("17 01 000000") + nalu(b"\x65\x88", size))


def inter(time: int, size: int = 20) -> Tag:
    return video_tag(time, wire("27 01 000000") + nalu(b"\x41\x9a", size))


def nalu(head: bytes, size: int) -> bytes:
    return (len(head) + size).to_bytes(4, "big") + head + bytes(size)


def sound(time: int) -> Tag:
    return audio_tag(time, wire("af 01 2110045f"))


def stream(
    length_ms: int, *, start: int = 0, gop: int = 25, video: bool = True, audio: bool = True
) -> list[Tag]:
    """Return frames of 40 ms and sounds of 23 ms, in the order of their times."""
    tags: list[Tag] = []
    if video:
        for number in range(length_ms // 40):
            make = key if number % gop == 0 else inter
            tags.append(make(start + 40 * number))
    if audio:
        tags += [sound(start + 23 * number) for number in range(length_ms // 23)]
    return sorted(tags, key=lambda tag: tag.timestamp)
