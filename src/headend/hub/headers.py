"""This module keeps what a newcomer needs before the first frame: metadata and sequence headers."""

from typing import Final

from headend.media.codecs import track_ids
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag

METADATA: Final = b"\x02\x00\x0aonMetaData"  # AMF0 string that starts a metadata tag
MAX_HEADERS: Final = 32  # metadata and the headers of 15 audio and 15 video tracks, and one more

_ORDER: Final = {SCRIPT: 0, VIDEO: 1, AUDIO: 2}


class Headers:
    """The newest metadata, and the newest sequence header of each set of tracks.

    Attributes:
        version: Grows with every change.
        lead: The lowest video track there is, whose keyframes a stream is joined at.
        has_several: There are tracks of other numbers than 0.
    """

    __slots__ = ("_by_key", "_leads", "_tags", "has_several", "lead", "version")

    def __init__(self) -> None:
        self.version = 0
        self.lead = 0
        self.has_several = False
        self._leads: dict[int, int] = {}  # lowest track of each kind
        self._by_key: dict[tuple[int, tuple[int, ...]], Tag] = {}
        self._tags: tuple[Tag, ...] = ()

    def keep(self, tag: Tag) -> bool:
        """Keep a sequence header or script tag; false if it says what the last one said.

        GStreamer repeats metadata, some encoders the sequence headers at every keyframe: passing
        them on would look like a change of codec to an output. Data other than metadata is not
        kept, and always news.
        """
        if tag.kind is SCRIPT and not tag.body.startswith(METADATA):
            return True
        key = (int(tag.kind), (0,) if tag.kind is SCRIPT else track_ids(tag))
        known = self._by_key.get(key)
        if known is not None and known.body == tag.body:
            return False
        if known is not None or len(self._by_key) < MAX_HEADERS:
            self._by_key[key] = tag
            self._tags = tuple(sorted(self._by_key.values(), key=lambda t: _ORDER[t.kind]))
            self.version += 1
            self._number(key)
        return True

    def _number(self, key: tuple[int, tuple[int, ...]]) -> None:
        """Take note of the tracks of a header."""
        kind, ids = key
        self._leads[kind] = min(self._leads.get(kind, ids[0]), ids[0])
        self.lead = self._leads.get(VIDEO, 0)
        self.has_several |= ids != (0,)

    def is_beside(self, tag: Tag) -> bool:
        """Say whether a tag is of another track than the lowest of its kind."""
        return track_ids(tag)[0] != self._leads.get(tag.kind, 0)

    def tags(self) -> tuple[Tag, ...]:
        """Return metadata, then video, then audio headers: the order in which players want them."""
        return self._tags

    def clear(self) -> None:
        self._by_key.clear()
        self._tags = ()
        self.lead = 0
        self.has_several = False
        self._leads.clear()
        self.version += 1
