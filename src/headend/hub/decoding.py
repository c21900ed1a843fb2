"""Decoding times for pictures that come with the times at which they are shown.

    received   0   120   40   80   240   160      times of showing, without composition times
    sent       0     0   40   80   120   160      times of decoding
    added      0   120    0    0   120     0      composition times

An encoder with B frames must send the decoding time as timestamp, and the rest as composition time.
Of one that sends neither, the n-th picture is decoded when the n-th one is shown, less the
pictures that it waits for: that is the last but one of the times so far, or an earlier one where
more pictures are held back.

Source: FLV 10.1, E.4.3; Enhanced RTMP v2, enhanced video.
"""

from bisect import insort
from collections.abc import Sequence
from typing import Final

from headend.media.headers import EXTENDED_VIDEO, VIDEO_CODECS_WITH_PACKET_TYPE
from headend.media.tag import VIDEO, Tag

MASK: Final = 0xFFFF_FFFF
HALF: Final = 0x8000_0000
MOST_HELD: Final = 16  # pictures that a decoder holds back
JUMP_MS: Final = 1_000  # a longer step is no reordering
_FRAMES, _FRAMES_X = 1, 3  # packet types with and without a composition time
_COMPOSED: Final = frozenset((b"avc1", b"hvc1", b"vvc1"))  # codecs that have one


class DecodingOrder:
    """Gives the pictures of one publisher decoding times, from the next one on.

    Attributes:
        is_over: The publisher sends composition times: its timestamps are decoding times.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._held = 1  # pictures that are held back
        self._shown: list[int] = []  # times of showing, the earliest first, not wrapped
        self._last: int | None = None  # time of showing of the last picture
        self._decoded = 0

    def mend(self, tags: Sequence[Tag]) -> list[Tag]:
        """Return tags with pictures by their decoding times; all others as they are."""
        return [self._mended(tag) if tag.kind is VIDEO else tag for tag in tags]

    def _mended(self, tag: Tag) -> Tag:
        at = None if tag.is_sequence_header or self.is_over else _composition_at(tag.body)
        if at is None:
            return tag
        offset, size = at
        if any(tag.body[offset : offset + size]):
            self.is_over = True
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
