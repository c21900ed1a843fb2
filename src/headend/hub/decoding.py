"""Decoding times for pictures that come with the times at which they are shown.

    received   0   120   40   80   240   160      times of showing, without composition times
    sent       0     0   40   80   120   160      times of decoding
    added      0   120    0    0   120     0      composition times

An encoder with B frames must send the decoding time as timestamp, and the rest as composition time.
Of one that sends neither, the n-th picture is decoded when the n-th one is shown, less the
pictures that it waits for: that is the last but one of the times so far, or an earlier one where
more pictures are held back. How many are is said by most sequence headers, and if it is any, the
first picture has a composition time; of other streams, pictures that come out of order tell.

Source: FLV 10.1, E.4.3; Enhanced RTMP v2, enhanced video.
"""

from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from headend.errors import MediaError
from headend.media.avc import parse_avc_config
from headend.media.headers import (
    EXTENDED_VIDEO,
    VIDEO_CODECS_WITH_PACKET_TYPE,
    Codec,
    parse_video_header,
)
from headend.media.hevc import parse_hevc_config
from headend.media.picture import PictureConfig
from headend.media.tag import VIDEO, Tag

MASK: Final = 0xFFFF_FFFF
HALF: Final = 0x8000_0000
MOST_HELD: Final = 16  # pictures that a decoder holds back
JUMP_MS: Final = 1_000  # a longer step is no reordering
_FRAMES, _FRAMES_X = 1, 3  # packet types with and without a composition time
_COMPOSED: Final = frozenset((b"avc1", b"hvc1", b"vvc1"))  # codecs that have one
_CONFIGS: Final[Mapping[Codec, Callable[[bytes], PictureConfig]]] = {
    Codec.H264: parse_avc_config,
    Codec.HEVC: parse_hevc_config,
}


class DecodingOrder:
    """Gives the pictures of one publisher decoding times, if it sends times of showing.

    Attributes:
        is_needed: It does, as far as is known; its first picture tells, or see `begin`.
    """

    def __init__(self) -> None:
        self.is_needed = True
        self._is_composed = False  # there are composition times: timestamps are decoding times
        self._has_begun = False
        self._held = 0  # pictures that are held back
        self._shown: list[int] = []  # times of showing, the earliest first, not wrapped
        self._last: int | None = None  # time of showing of the last picture
        self._decoded = 0

    def begin(self) -> None:
        """Pictures came out of order: give them decoding times, unless they have some."""
        if not self._is_composed:
            self.is_needed = self._has_begun = True
            self._held = max(self._held, 1)

    def mend(self, tags: Sequence[Tag]) -> list[Tag]:
        """Return tags with pictures by their decoding times; all others as they are."""
        return [self._mended(tag) if tag.kind is VIDEO else tag for tag in tags]

    def _mended(self, tag: Tag) -> Tag:
        if tag.is_sequence_header:
            self._held = max(self._held, _reordered(tag))
            return tag
        at = _composition_at(tag.body) if self.is_needed else None
        if at is None:
            return tag
        offset, size = at
        self._is_composed = any(tag.body[offset : offset + size])
        if not (self._has_begun or tag.is_keyframe or self._is_composed):
            return tag  # of a picture between two keyframes, 0 says nothing
        self.is_needed = not self._is_composed and (self._has_begun or self._held > 0)
        self._has_begun = True
        if not self.is_needed:
            return tag
        shown, decoded = self._decode(tag.timestamp)
        body = tag.body
        head = body[:offset] if size else bytes((body[0] & 0xF0 | _FRAMES,)) + body[1:offset]
        composition = (shown - decoded).to_bytes(3, "big")
        return tag._replace(
            timestamp=decoded & MASK, body=head + composition + body[offset + size :]
        )

    def _decode(self, timestamp: int) -> tuple[int, int]:
        """Return when a picture is shown and when decoded, ms, not wrapped."""
        last = timestamp if self._last is None else self._last
        step = (timestamp - last + HALF & MASK) - HALF
        shown = last + step
        if self._last == shown:  # a picture in several messages
            return shown, self._decoded
        self._last = shown
        if abs(step) > JUMP_MS:
            self._shown.clear()
        later = sum(time > shown for time in self._shown)
        self._held = max(self._held, min(later, MOST_HELD))
        insort(self._shown, shown)
        del self._shown[: -MOST_HELD - 1]
        self._decoded = min(shown, self._shown[max(0, len(self._shown) - 1 - self._held)])
        return shown, self._decoded


def _reordered(header: Tag) -> int:
    """Return how many pictures a sequence header says are held back; 0: none, or it doesn't say."""
    try:
        track = parse_video_header(header.body).tracks[0]
        parse = _CONFIGS.get(track.codec)
        return 0 if parse is None else parse(header.body[track.payload]).reordered or 0
    except MediaError:
        return 0


def _composition_at(body: bytes) -> tuple[int, int] | None:
    """Return offset and size of the composition time in a body; None: it cannot have one."""
    if len(body) < 6:
        return None
    low = body[0] & 15
    if not body[0] & EXTENDED_VIDEO:
        return (2, 3) if low in VIDEO_CODECS_WITH_PACKET_TYPE and body[1] == _FRAMES else None
    if body[1:5] not in _COMPOSED:
        return None
    return {_FRAMES: (5, 3), _FRAMES_X: (5, 0)}.get(low)
