"""The port to which a packager writes, and a tee that gives several stores the same media.

packager ─► tee ─┬─► window: what HLS viewers fetch, in memory
                 └─► archive, a tee again ─► recordings: files on the disk
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from headend.media.track_config import TrackConfig


@dataclass(frozen=True, slots=True)
class Init:
    """The init segment of the parts that follow.

    Attributes:
        body: Init segment of fMP4; empty for MPEG-TS.
        tracks: Tracks of the parts, video first.
    """

    body: bytes
    tracks: tuple[TrackConfig, ...]


@dataclass(frozen=True, slots=True)
class MediaPart:
    """The media of a part, or of a whole segment that has no parts.

    Attributes:
        body: A fragment of MP4, or a whole segment of MPEG-TS.
        start: Decoding time of its first frame in its own clock, seconds.
        duration: Seconds.
        is_independent: The part begins with a keyframe.
        frames: Number of its pictures.
        is_last: The segment ends with this part; `end_segment` follows.
    """

    body: bytes
    start: float
    duration: float
    is_independent: bool
    frames: int
    is_last: bool


class SegmentStore(Protocol):
    """A store of segments. No method blocks or raises."""

    def promise(self, target_s: int, part_target_s: float) -> None:
        """Take note of how long segments and parts are at most; 0: not decided, or no parts."""

    def add_init(self, init: Init) -> None:
        """Take the init segment of the parts that follow."""

    def discontinuity(self) -> None:
        """Take note that the next part does not continue the one before."""

    def date(self, seconds: float) -> None:
        """Take the Unix time at which the first frame of the newest segment was sent.

        That is the segment that grows; between two segments, the next one.
        """

    def add_part(self, part: MediaPart) -> None:
        """Add a part to the segment that grows."""

    def end_segment(self) -> None:
        """Make a whole segment of the parts since the last segment; there is at least one part."""

    def end(self) -> None:
        """Take note that nothing follows."""


class Tee:
    """A store that passes everything on to others. A store may come and go between two parts."""

    def __init__(self, stores: Sequence[SegmentStore] = ()) -> None:
        self._stores = list(stores)
        self._joining: list[SegmentStore] = []
        self._init: Init | None = None
        self._is_growing = False
        self._promise: tuple[int, float] = 0, 0.0

    def join(self, store: SegmentStore) -> None:
        """Add a store, which gets the media from the next segment on."""
        self._joining.append(store)
        if not self._is_growing:
            self._admit()

    @property
    def is_empty(self) -> bool:
        """There is no store."""
        return not self._stores and not self._joining

    def leave(self, store: SegmentStore) -> None:
        """Remove a store; its `end` is not called."""
        for stores in (self._stores, self._joining):
            if store in stores:
                stores.remove(store)

    def _admit(self) -> None:
        """Have the stores that wait begin with the next segment."""
        joining, self._joining = self._joining, []
        for store in joining:
            store.promise(*self._promise)
            if self._init is not None:
                store.add_init(self._init)
        self._stores += joining

    # ------------------------------------------------------------------ the store

    def promise(self, target_s: int, part_target_s: float) -> None:
        self._promise = target_s, part_target_s
        for store in self._stores:
            store.promise(target_s, part_target_s)

    def add_init(self, init: Init) -> None:
        self._init = init
        for store in self._stores:
            store.add_init(init)

    def discontinuity(self) -> None:
        for store in self._stores:
            store.discontinuity()

    def date(self, seconds: float) -> None:
        for store in self._stores:
            store.date(seconds)

    def add_part(self, part: MediaPart) -> None:
        self._is_growing = True
        for store in self._stores:
            store.add_part(part)

    def end_segment(self) -> None:
        self._is_growing = False
        for store in self._stores:
            store.end_segment()
        self._admit()

    def end(self) -> None:
        for store in (*self._stores, *self._joining):
            store.end()
