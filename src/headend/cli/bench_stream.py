"""The stream of `headend bench`: each picture carries the time at which it was made.

The headers are real, the pictures are filler in valid FLV, NAL and SEI framing: a server passes
them on, a decoder shows nothing.
"""

from typing import Final

from headend.media.tag import AUDIO, VIDEO, Tag

FRAMES_PER_S: Final = 30
AUDIO_PER_S: Final = 44_100 / 1024
KEYFRAME_EVERY: Final = 60  # frames
KEYFRAME_WEIGHT: Final = 8  # size of a keyframe, in frames between
LEAST_KBPS: Final = 100  # below it a frame has no room for the stamp

# avcC of a 1280x720 stream, High 3.1, by x264.
AVC_HEADER: Final = bytes.fromhex(
    "1700000000 0164001fffe1001a6764001facd9405005bb016a02020280000003"
    "0080 00001e078c0100 0668ebe3cb22c0fdf8f800"
)
AAC_HEADER: Final = bytes.fromhex("af001210")  # LC, 44.1 kHz, stereo
SILENCE: Final = bytes.fromhex("af01 211004608c1c")  # one AAC frame

# An SEI message, user data unregistered (H.264, D.1.7), whose 16 digits are nanoseconds.
STAMP_ID: Final = b"headend-bench-ns"
STAMP_OFFSET: Final = 12  # 5 of the FLV video header, 4 NALU length, 3 of the SEI message
STAMP_END: Final = STAMP_OFFSET + 32


class StampedStream:
    """What an encoder sends, tag after tag: 30 pictures and 43 sounds a second.

    Attributes:
        due_s: When the next tag is due, seconds from the start.
    """

    def __init__(self, kbps: int) -> None:
        """Start at 0.

        Args:
            kbps: Bit rate of the pictures, from `LEAST_KBPS` on.
        """
        gop_bytes = kbps * 125 * KEYFRAME_EVERY / FRAMES_PER_S
        size = int(gop_bytes / (KEYFRAME_EVERY - 1 + KEYFRAME_WEIGHT))
        self._keyframe_rest = _slice(b"\x65", KEYFRAME_WEIGHT * size)
        self._frame_rest = _slice(b"\x41", size)
        self._frames = 0
        self._sounds = 0
        self.due_s = 0.0

    def next(self, stamp_ns: int) -> Tag:
        """Return the tag that is due and go on to the next; a picture carries the stamp."""
        timestamp = int(self.due_s * 1000)
        if self._frames / FRAMES_PER_S <= self._sounds / AUDIO_PER_S:
            tag = self._picture(timestamp, stamp_ns)
            self._frames += 1
        else:
            tag = Tag(AUDIO, timestamp, SILENCE, False, False)
            self._sounds += 1
        self.due_s = min(self._frames / FRAMES_PER_S, self._sounds / AUDIO_PER_S)
        return tag

    def _picture(self, timestamp: int, stamp_ns: int) -> Tag:
        is_keyframe = self._frames % KEYFRAME_EVERY == 0
        head = b"\x17" if is_keyframe else b"\x27"
        sei = b"\x06\x05\x20" + STAMP_ID + b"%016x" % stamp_ns + b"\x80"
        rest = self._keyframe_rest if is_keyframe else self._frame_rest
        body = head + b"\x01\x00\x00\x00" + len(sei).to_bytes(4, "big") + sei + rest
        return Tag(VIDEO, timestamp, body, is_keyframe, False)


def headers() -> list[Tag]:
    """Return what comes before the first picture: the sequence headers."""
    return [Tag(VIDEO, 0, AVC_HEADER, False, True), Tag(AUDIO, 0, AAC_HEADER, False, True)]


def stamp_of(tag: Tag) -> int | None:
    """Return the nanoseconds that stand in a picture; None for any other tag."""
    body = tag.body
    if tag.kind is not VIDEO or body[STAMP_OFFSET : STAMP_OFFSET + 16] != STAMP_ID:
        return None
    try:
        return int(body[STAMP_OFFSET + 16 : STAMP_END], 16)
    except ValueError:
        return None


def _slice(head: bytes, size: int) -> bytes:
    """A NAL unit with its length, without zeros: no start code, no emulation bytes."""
    filler = bytes(1 + index % 255 for index in range(255))
    nalu = head + (filler * (size // 255 + 1))[: max(1, size - STAMP_END - 6)]
    return len(nalu).to_bytes(4, "big") + nalu
