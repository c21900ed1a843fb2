"""A media file over RTMP: its first picture and first sound, segment by segment."""

from bisect import bisect_right
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from headend.codec.file_index import FileIndex
from headend.errors import MediaError
from headend.media import amf0
from headend.media.amf0 import EcmaArray
from headend.media.codecs import script_tag
from headend.media.tag import Tag
from headend.record.file_bytes import LocalBytes
from headend.record.stored_file import StoredFile, is_before, open_stored
from headend.record.values import RecordedSegment
from headend.vod.http import init_size
from headend.vod.playlists import first_tracks
from headend.vod.values import APP, MediaPath

if TYPE_CHECKING:
    from headend.vod.files import MediaFiles


class PlayedFile:
    """A media file that one player plays.

    Attributes:
        name: `vod/PATH`.
        stream: The stream whose rights hold: that name.
    """

    def __init__(self, files: "MediaFiles", media: MediaPath) -> None:
        """Take the file."""
        self._files: Final = files
        self._media: Final = media
        self.name: Final = f"{APP}/{media.name}"
        self.stream: Final = self.name

    def in_use(self) -> AbstractContextManager[None]:
        return nullcontext()  # each segment is kept while it is read

    async def tags(self, position: int) -> AsyncGenerator[Sequence[Tag], None]:
        library, read = self._files.library, self._files.read
        index = await library.index(self._media)
        starts, tracks = index.starts, first_tracks(index)
        headers: Sequence[Tag] = ()
        start = -1
        first = max(bisect_right(starts, (position + 0.5) / 1000) - 1, 0)
        for number in range(first, len(starts)):
            try:
                async with library.segment(self._media, number, tracks) as path:
                    segment, file = await read(partial(_opened, path, number))
                    at, end = segment.offset, segment.offset + segment.size
                    if start < 0:
                        at, start = await read(partial(file.start, segment, position))
                    if headers != file.headers:
                        headers = file.headers
                        yield [tag._replace(timestamp=start) for tag in _head(index, headers)]
                    while at < end:
                        batch = await read(partial(file.batch, segment, at))
                        at = batch.next
                        yield [tag for tag in batch.tags if not is_before(tag, start)]
            except OSError as error:
                raise MediaError(f"it cannot be read: {error.strerror or error}") from error


def _head(index: FileIndex, headers: Sequence[Tag]) -> list[Tag]:
    """Return what comes before media: metadata with the duration, and sequence headers."""
    values = EcmaArray(duration=round(index.duration_s, 3))  # FFmpeg ignores an object
    if index.lead.width:
        values.update(width=float(index.lead.width), height=float(index.lead.height))
    return [script_tag(0, amf0.serialize_values("onMetaData", values)), *headers]


def _opened(path: Path, number: int) -> tuple[RecordedSegment, StoredFile]:
    """Read the head of the file of a segment; blocks."""
    size, init = path.stat().st_size, init_size(path)
    segment = RecordedSegment(number, init, size - init, 0.0, 0.0, 0.0, True)
    return segment, open_stored(LocalBytes(path), init, None)
