"""What a source that stands by brings, kept so that it can be switched to at once.

    push ─► headers, tags from the newest keyframe on ─► the stream, once the source is on air

A stream changes its source at a keyframe only; with these tags there is always one at hand.
"""

from collections.abc import Sequence
from typing import Final

from headend.hub.headers import Headers
from headend.hub.span import Span
from headend.media.codecs import is_keyframe_of
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag

GAP_S: Final = 1.0  # without media: from then on a source counts as steady anew


class Reserve:
    """What one source that stands by brings.

    Attributes:
        last_media: When media came last, monotonic seconds; None: never.
    """

    __slots__ = ("_has_video", "_headers", "_log", "_span", "_start", "_steady_from", "last_media")

    def __init__(self, log_s: float, log_bytes: int, headers: Sequence[Tag] = ()) -> None:
        """Begin without media.

        Args:
            log_s: Longest span kept, seconds; a longer one waits for the next keyframe.
            log_bytes: Most bytes kept.
            headers: What the source has sent while it was on air; encoders send them once.
        """
        self.last_media: float | None = None
        self._steady_from = 0.0
        self._headers = Headers()
        self._has_video = False
        for tag in headers:
            self._headers.keep(tag)
            self._has_video |= tag.kind is VIDEO
        self._start: tuple[Tag, ...] = ()  # headers as of the log's keyframe
        self._log: list[Tag] = []
        self._span = Span(log_s, log_bytes)

    def keep(self, tags: Sequence[Tag], now: float) -> bool:
        """Keep a run of tags; true if a keyframe is among them."""
        if self.last_media is None or now - self.last_media > GAP_S:
            self._steady_from = now
        self.last_media = now
        has_keyframe = False
        for tag in tags:
            if tag.is_sequence_header or tag.kind is SCRIPT:
                self._headers.keep(tag)
            self._has_video |= tag.kind is VIDEO
            lead = self._headers.lead
            if lead and tag.kind is VIDEO and is_keyframe_of(tag.body, lead):
                tag = tag._replace(is_keyframe=True)
            # Decoding can start anywhere in a stream without video.
            is_start = tag.is_keyframe or (
                tag.kind is AUDIO and not self._has_video and not tag.is_sequence_header
            )
            if is_start and not self._is_of_keyframe(tag):
                has_keyframe = True
                self._log = []
                self._start = self._headers.tags()
                self._span.restart()
            elif not self._log:
                continue
            self._log.append(tag)
            if self._span.passes(tag.timestamp, len(tag.body)):
                self._log = []
        return has_keyframe

    def _is_of_keyframe(self, tag: Tag) -> bool:
        """Say whether a tag is more of the picture that the log starts with."""
        if not self._log or tag.kind is not VIDEO or tag.timestamp != self._log[0].timestamp:
            return False
        return all(each.is_keyframe for each in self._log if each.kind is VIDEO)

    @property
    def has_keyframe(self) -> bool:
        return bool(self._log)

    def tags(self) -> list[Tag]:
        """Return headers and the tags from the newest keyframe on; there must be one.

        The headers have the keyframe's timestamp, or their own would begin a timeline long ago.
        """
        time = self._log[0].timestamp
        return [*(tag._replace(timestamp=time) for tag in self._start), *self._log]

    def is_ready(self, now: float, silence_s: float) -> bool:
        """Say whether it can be switched to: it has a keyframe, and media came lately."""
        return bool(self._log) and self.last_media is not None and now - self.last_media < silence_s

    def is_steady(self, now: float, seconds: float) -> bool:
        """Say whether media have come without a gap for so long."""
        return self.last_media is not None and now - self._steady_from >= seconds
