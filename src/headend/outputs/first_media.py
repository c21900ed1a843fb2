"""The wait for a stream's first media, which says which kinds of tracks it has.

A viewer over HTTP is answered only then: before it nobody knows what to announce, or whether
anybody will publish at all.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag

# Names of properties of onMetaData, as AMF0 writes them: encoders announce tracks so, the codecs
# without sequence header too.
_AUDIO_PROPERTY: Final = b"\x00\x0caudiocodecid"
_VIDEO_PROPERTY: Final = b"\x00\x0cvideocodecid"


class Kinds(NamedTuple):
    """Which kinds of tracks a stream has, as far as is known."""

    has_audio: bool
    has_video: bool


class FirstMedia:
    """A sink that calls back while media come.

    Attributes:
        kinds: What was seen or declared so far.
        is_there: There is media.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        """Make one.

        Args:
            changed: Called for the media that come, and when the stream ends.
        """
        self._changed = changed
        self.kinds = Kinds(False, False)
        self.is_there = False
        self.is_over = False

    def let_go(self) -> None:
        """Call back no more: the waiter holds us, and is held by the callback."""
        self._changed = _nothing

    def start(self, headers: Sequence[Tag]) -> None:
        for tag in headers:
            self._see(tag)

    def push(self, tag: Tag) -> None:
        self._see(tag)
        if tag.kind is not SCRIPT and not tag.is_sequence_header:
            self.is_there = True
            self._changed()

    def interrupt(self) -> None:
        """Nothing changes: it may go on."""

    def resume(self) -> None:
        """Nothing changes: its media comes as tags."""

    def end(self) -> None:
        self.is_over = True
        self._changed()

    def _see(self, tag: Tag) -> None:
        is_script = tag.kind is SCRIPT
        audio = tag.kind is AUDIO or (is_script and _AUDIO_PROPERTY in tag.body)
        video = tag.kind is VIDEO or (is_script and _VIDEO_PROPERTY in tag.body)
        self.kinds = Kinds(self.kinds.has_audio or audio, self.kinds.has_video or video)


def _nothing() -> None:
    """Nobody waits."""
