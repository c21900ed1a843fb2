"""What is in the store of one live stream, and what is to go there or from there."""

from collections.abc import Sequence
from typing import Final

from headend.hls.playlists import Playlists
from headend.hls.streams import HlsStream

NEWEST: Final = 2  # segments that may be on their way to the store
LATER_S: Final = 60.0  # that files stay in the store after they are gone here: caches lag behind


class StoredStream:
    """The files of one stream in the store.

    Attributes:
        path: APP/NAME.
        store: URL of the store.
        is_uploading: A task brings files there.
    """

    def __init__(self, path: str, store: str) -> None:
        """Begin with nothing."""
        self.path: Final = path
        self.store: Final = store
        self.is_uploading = False
        self._seen = -1  # media sequence number of the segment that grew when this looked last
        self._tried: dict[str, float | None] = {}  # with when it is deleted, if it is gone here

    def has_more(self, playlists: Playlists) -> bool:
        """Say whether a segment has become whole since this was asked last."""
        before, self._seen = self._seen, playlists.next_sequence
        return self._seen != before and not playlists.is_empty

    def next(self, playlists: Playlists) -> str | None:
        """Return the file to upload next: of the newest segments, for what is older is not asked.

        A store that is slow never gets the segments that it was too late for.
        """
        newest = playlists.files(NEWEST)
        return next((name for name in newest if name not in self._tried), None)

    def tried(self, name: str) -> None:
        """Take note of a file that is, or may be, in the store."""
        self._tried[name] = None

    def due(self, stream: HlsStream, now: float) -> list[str]:
        """Return the files that are to be deleted from the store."""
        found = []
        for name, at in self._tried.items():
            if at is not None:
                if now >= at:
                    found.append(name)
            elif stream.is_closed or stream.playlists.resource(name) is None:
                self._tried[name] = now + LATER_S
                stream.playlists.come_back(name)
        return found

    def deleted(self, names: Sequence[str]) -> None:
        """Take note of files that are not in the store any more."""
        for name in names:
            self._tried.pop(name, None)

    def names(self) -> list[str]:
        """Name all files that are, or may be, in the store."""
        return list(self._tried)

    @property
    def is_empty(self) -> bool:
        return not self._tried
