"""An FLV file, or stdout, to which a played stream is written."""

import sys
from pathlib import Path
from typing import BinaryIO, Final, Self

from headend.media import flv
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag

FLAGS_AT: Final = 4  # byte of the file header
HAS_AUDIO: Final = 4
HAS_VIDEO: Final = 1


class FlvOutput:
    """An FLV file that starts at time 0, whenever the player joined.

    The file is made with the first tag, so that a stream that is refused leaves none. It is whole
    after each tag.

    Attributes:
        is_open: The file was made.
    """

    def __init__(self, path: Path | None) -> None:
        """Prepare.

        Args:
            path: None for stdout.
        """
        self._path = path
        self._file: BinaryIO | None = None
        self._first: int | None = None
        self._flags = 0
        self.is_open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is None or self._path is None:
            return
        with self._file:
            # Only now it is known what the file holds; players wait for what the header promises.
            if self._file.seekable():
                self._file.seek(FLAGS_AT)
                self._file.write(bytes((self._flags,)))

    def timestamp(self, tag: Tag) -> int:
        """Return the time of a tag in the file, in ms."""
        if self._first is None:
            if tag.kind is SCRIPT or tag.is_sequence_header:
                return 0
            self._first = tag.timestamp
        since_first = tag.timestamp - self._first & 0xFFFFFFFF
        return since_first if since_first < 0x80000000 else 0  # audio from before the first picture

    def write(self, tag: Tag) -> None:
        if self._file is None:
            self._file = self._path.open("wb") if self._path else sys.stdout.buffer
            self._file.write(flv.serialize_header(has_audio=True, has_video=True))
            self.is_open = True
        self._flags |= {AUDIO: HAS_AUDIO, VIDEO: HAS_VIDEO}.get(tag.kind, 0)
        self._file.write(flv.serialize_tag(tag))
        if self._path is None:
            self._file.flush()
