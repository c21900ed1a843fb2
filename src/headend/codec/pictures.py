"""Pictures put together of several messages: a slice each, or parameter sets before the picture.

    message     20: 67… 68…   20: 65 88…   20: 65 01…   53: 41 9a…
    picture     20: 67… 68… 65 88… 65 01…               53: 41 9a…

RTMP players feed a decoder message by message; MP4 and MPEG-TS hold a picture in one piece. To see
that a picture is over takes the next message. So pictures are held back only while a stream may
turn out to send them in pieces, and for good if it does.
"""

from typing import Final, NamedTuple

from headend.media.headers import Codec
from headend.media.nalus import Picture

WATCHED: Final = 24  # pictures in one piece, after which they are not held back any more
MOST_BYTES: Final = 16 * 1024 * 1024  # of a picture
MOST_PIECES: Final = 1024
FRONT_BYTES: Final = 64 * 1024  # of parameter sets and information before a picture


class VideoMessage(NamedTuple):
    """A video message.

    Attributes:
        timestamp: In ms, 0 to 2**32 - 1.
        composition: Composition time, ms.
        is_keyframe: As the encoder says.
        payload: NAL units with lengths.
        codec: Of the track.
    """

    timestamp: int
    composition: int
    is_keyframe: bool
    payload: bytes
    codec: Codec


class Pictures:
    """The messages of one track.

    Attributes:
        holds: A picture, or what comes before one, is or will be held back.
        timestamp: Of the newest picture; None: none has come.
    """

    def __init__(self) -> None:
        self.holds = True
        self.timestamp: int | None = None
        self._left = WATCHED  # pictures that are held back yet
        self._is_split = False  # one came in pieces
        self._held: VideoMessage | None = None
        self._front = b""  # what came without a picture, and belongs to the next one
        self._is_front_key = False
        self._more: list[bytes] = []  # further pieces of the held picture
        self._bytes = 0  # of what is held

    def take(self, message: VideoMessage, has: Picture) -> tuple[list[VideoMessage], bool]:
        """Take a message.

        Args:
            message: The next one.
            has: What it has of a picture.

        Returns:
            Pictures that are whole, mostly the message itself; and whether there is a place for the
            message: not for a piece of a picture that was given already or is too large.
        """
        if has is Picture.NONE:
            if len(self._front) + len(message.payload) > FRONT_BYTES:
                return [], False
            self._front += message.payload
            self._is_front_key |= message.is_keyframe
            self.holds = True
            return [], True
        if has is Picture.GOES_ON and message.timestamp == self.timestamp:
            self.holds = self._is_split = True
            return [], self._held is not None and self._add(message.payload)
        whole = self.flush()
        self.timestamp = message.timestamp
        message = self._with_front(message)
        if self._left:
            self._left -= 1
        self.holds = self._is_split or self._left > 0
        if not self.holds:
            return [*whole, message], True
        self._held = message
        self._bytes = len(message.payload)
        return whole, True

    def flush(self) -> list[VideoMessage]:
        """Return the picture that is held back, if there is one: nothing more of it comes."""
        held, self._held = self._held, None
        if held is None:
            return []
        if self._more:
            held = held._replace(payload=b"".join((held.payload, *self._more)))
            self._more.clear()
        return [held]

    def _add(self, piece: bytes) -> bool:
        if len(self._more) >= MOST_PIECES or self._bytes + len(piece) > MOST_BYTES:
            return False
        self._more.append(piece)
        self._bytes += len(piece)
        return True

    def _with_front(self, message: VideoMessage) -> VideoMessage:
        if not self._front:
            return message
        payload = self._front + message.payload
        is_keyframe = message.is_keyframe or self._is_front_key
        self._front, self._is_front_key = b"", False
        return message._replace(payload=payload, is_keyframe=is_keyframe)
