"""The sink that records a stream as FLV, with every message as it came.

Data messages and codecs that no packager knows are kept too. A file begins with metadata and
sequence headers; the next one begins at the first keyframe after `record.file_s`.
"""

from collections.abc import Callable, Sequence

from headend.media.flv import serialize_header, serialize_tag
from headend.media.tag import AUDIO, VIDEO, Tag
from headend.record.tape import Media, Tape

FRAME_S = 0.04  # of the last message, whose length nobody knows


class FlvSink:
    """The sink that passes the messages of a stream on to a tape."""

    def __init__(
        self,
        tape: Tape,
        segment_s: float,
        headers: Callable[[], Sequence[Tag]],
        clock: Callable[[], float],
    ) -> None:
        """Make one; it is attached to its stream next.

        Args:
            tape: Takes the files.
            segment_s: Seconds after which a segment ends, at a keyframe.
            headers: Returns the metadata and sequence headers of the stream now.
            clock: Gives Unix seconds.
        """
        self._tape = tape
        self._segment_s = segment_s
        self._headers = headers
        self._clock = clock
        self._has_video = False
        self._has_file = False
        self._first: int | None = None  # timestamp of the first message, ms
        self._start_s = 0.0  # of the segment
        self._held: tuple[bytes, float, bool] | None = None  # the newest message

    def start(self, headers: Sequence[Tag]) -> None:
        for tag in headers:
            self._has_video = self._has_video or tag.kind is VIDEO

    def push(self, tag: Tag) -> None:
        if self._first is None:
            self._first = tag.timestamp
        now = ((tag.timestamp - self._first + 0x8000_0000) % 2**32 - 0x8000_0000) / 1000
        self._has_video = self._has_video or tag.kind is VIDEO
        self._write(now)
        is_start = tag.is_keyframe if self._has_video else tag.kind is AUDIO
        tape = self._tape
        if is_start and tape.is_in_segment and now - self._start_s >= 0.95 * self._segment_s:
            tape.end_segment()
        if not tape.is_in_segment:
            self._start_s = now
            tape.date(self._clock())
            if not self._has_file or (tape.is_full and is_start):
                tape.begin_file(self._head(), Media(), now, is_break=not self._has_file)
                self._has_file = True
        self._held = serialize_tag(tag), now, is_start

    def interrupt(self) -> None:
        self._tape.flush()

    def resume(self) -> None:
        """Do nothing: the messages that go on come as tags."""

    def end(self) -> None:
        if self._held is not None:
            self._write(self._held[1] + FRAME_S)
        self._tape.end()

    def _write(self, now: float) -> None:
        """Write the message that is held: it lasts until the next one."""
        if self._held is not None:
            body, start, is_start = self._held
            self._held = None
            self._tape.add(body, start, max(start, now), is_keyframe=is_start)

    def _head(self) -> bytes:
        headers = self._headers()
        head = serialize_header(has_audio=True, has_video=True)
        return head + b"".join(serialize_tag(tag._replace(timestamp=0)) for tag in headers)
