"""Which tracks of a publisher are announced: those that send something.

Encoders declare a track in metadata or by a sequence header and may send nothing of it. Players
wait for what is announced, so a declared track is waited for as long as `UNSENT_S`, and then left
out until it sends something.
"""

from collections.abc import Iterable
from typing import Final

from headend.media.tag import AUDIO, VIDEO, Tag, TagKind

# Seconds from a publisher's first media, in which each track that it has declared should send
# something: keyframes and sound of all encoders do.
UNSENT_S: Final = 3.0


class Settling:
    """The tracks of a publisher that are announced.

    Attributes:
        is_over: Media have come for long enough; what is declared is waited for no more.
        silent: Kinds of tracks that had sent nothing by then, and have sent nothing since.
    """

    __slots__ = ("_since", "is_over", "silent")

    def __init__(self) -> None:
        self.is_over = False
        self.silent: Final[set[TagKind]] = set()
        self._since: float | None = None

    def restart(self) -> None:
        """Expect another publisher."""
        self.is_over = False
        self.silent.clear()
        self._since = None

    def passed(self, now: float, *, has_video: bool, has_audio: bool) -> bool:
        """Let time pass; true at the moment from which what sends nothing is left out.

        Args:
            now: Monotonic seconds.
            has_video: A picture was sent.
            has_audio: Sound was sent.
        """
        if self.is_over or not (has_video or has_audio):
            return False
        if self._since is None:
            self._since = now
        if now - self._since < UNSENT_S:
            return False
        self.is_over = True
        sent = {VIDEO: has_video, AUDIO: has_audio}
        self.silent.update(kind for kind, is_sent in sent.items() if not is_sent)
        return True

    def announced(self, tags: Iterable[Tag]) -> tuple[Tag, ...]:
        """Return the tags of tracks that are not silent."""
        return tuple(tag for tag in tags if tag.kind not in self.silent)
