"""What a newcomer needs before the first frame: metadata and the headers of each track."""

from typing import Final, NamedTuple

from headend.media.codecs import is_description, track_ids
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag, TagKind
from headend.media.track_config import codec_of

METADATA: Final = b"\x02\x00\x0aonMetaData"  # AMF0 string that starts a metadata tag
MAX_HEADERS: Final = 64  # metadata, and two headers of 15 audio and 15 video tracks, and a few more
MAX_BYTES: Final = 4 * 1024 * 1024  # of all that is kept: a header has some hundred

_ORDER: Final = {SCRIPT: 0, VIDEO: 1, AUDIO: 2}


class _Key(NamedTuple):
    """Of what the newest is kept, in the order in which players want it."""

    order: int
    is_description: bool  # behind the sequence header: HDR metadata, the meaning of the channels
    tracks: tuple[int, ...]


class Headers:
    """The newest metadata, and the newest headers of each set of tracks.

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
        self._leads: dict[TagKind, int] = {}  # lowest track of each kind
        self._by_key: dict[_Key, Tag] = {}
        self._tags: tuple[Tag, ...] = ()

    def keep(self, tag: Tag) -> bool:
        """Keep a header or script tag; false if it says what the last one said.

        GStreamer repeats metadata, some encoders the sequence headers at every keyframe: passing
        them on would look like a change of codec to an output. Data other than metadata is not
        kept, and always news.
        """
        if tag.kind is SCRIPT and not tag.body.startswith(METADATA):
            return True
        key = _key_of(tag)
        known = self._by_key.get(key)
        if known is not None and known.body == tag.body:
            return False
        others = sum(len(each.body) for each in self._tags if each is not known)
        if others + len(tag.body) > MAX_BYTES:
            self._by_key.pop(key, None)  # it is not valid any more
        elif known is not None or len(self._by_key) < MAX_HEADERS:
            self._by_key[key] = tag
        else:
            return True
        if not key.is_description:
            self._drop_description(key, tag)
            self._number(tag.kind, key.tracks)
        self._tags = tuple(tag for _, tag in sorted(self._by_key.items(), key=_order))
        self.version += 1
        return True

    def _drop_description(self, key: _Key, tag: Tag) -> None:
        """Drop what described a track whose codec is another now."""
        described = key._replace(is_description=True)
        known = self._by_key.get(described)
        if known is not None and codec_of(known) is not codec_of(tag):
            del self._by_key[described]

    def _number(self, kind: TagKind, tracks: tuple[int, ...]) -> None:
        """Take note of the tracks of a header."""
        self._leads[kind] = min(self._leads.get(kind, tracks[0]), tracks[0])
        self.lead = self._leads.get(VIDEO, 0)
        self.has_several |= tracks != (0,)

    def is_beside(self, tag: Tag) -> bool:
        """Say whether a tag is of another track than the lowest of its kind."""
        return track_ids(tag)[0] != self._leads.get(tag.kind, 0)

    def tags(self) -> tuple[Tag, ...]:
        """Return metadata, then video, then audio headers: the order in which players want them.

        What describes a track comes behind the sequence headers of its kind.
        """
        return self._tags

    def clear(self) -> None:
        self._by_key.clear()
        self._tags = ()
        self.lead = 0
        self.has_several = False
        self._leads.clear()
        self.version += 1


def _key_of(tag: Tag) -> _Key:
    if tag.kind is SCRIPT:
        return _Key(_ORDER[SCRIPT], False, (0,))
    return _Key(_ORDER[tag.kind], is_description(tag), track_ids(tag))


def _order(item: tuple[_Key, Tag]) -> tuple[int, bool]:
    """Of one kind the headers stay in the order in which they came."""
    return item[0].order, item[0].is_description
