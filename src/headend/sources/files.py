"""The sources of `headend publish`: FLV files as they are, all else through FFmpeg."""

import os
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from headend.codec.extent import CutShort
from headend.errors import MediaError
from headend.media import flv
from headend.media.tag import Tag

READ_SIZE: Final = 64 * 1024  # bytes of an FLV file


class MediaSource(Protocol):
    """What can be published.

    Attributes:
        notes: What a person should know of it, one line each.
        is_enhanced: It holds codecs of Enhanced RTMP, as far as is known before it is read.
    """

    notes: Sequence[str]
    is_enhanced: bool

    def batches(self) -> Generator[list[Tag], None, None]:
        """Read from the start to the end; blocks.

        Raises:
            MediaError: It cannot be read. CutShort: its end is missing; all else has been given.
        """
        ...


class OpenedSource(MediaSource, Protocol):
    """A file or device.

    Attributes:
        duration_s: How long it is, if that is known.
    """

    duration_s: float | None


def open_source(name: str, format_name: str | None, options: Mapping[str, str]) -> OpenedSource:
    """Open a file, a device, or anything else that FFmpeg opens.

    Args:
        name: Path, name of a device, or URL; `-` is standard input.
        format_name: FFmpeg's name of a format or device, such as `v4l2`; None to guess.
        options: For that format.

    Raises:
        MediaError: It cannot be opened, or holds neither video nor audio.
    """
    if format_name in (None, "flv") and not options and _is_flv(name):
        return FlvFile(Path(name))
    from headend.codec.media_file import MediaFile  # an FLV file is read without FFmpeg

    return MediaFile("pipe:0" if name == "-" else name, format_name, options)


def _is_flv(name: str) -> bool:
    path = Path(name)
    try:
        if not path.is_file():  # reading a device would take from it
            return False
        with path.open("rb") as file:
            return file.read(3) == b"FLV"
    except OSError:
        return False


class FlvFile:
    """An FLV file: its tags go out untouched, whatever they hold."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.notes: Sequence[str] = ()
        self.is_enhanced = False
        self.duration_s = _flv_duration(path)

    def batches(self) -> Generator[list[Tag], None, None]:
        reader = flv.Reader()
        try:
            with self._path.open("rb") as file:
                while data := file.read(READ_SIZE):
                    reader.receive_data(data)
                    if tags := reader.tags():
                        yield tags
        except OSError as error:
            raise MediaError(f"{self._path}: {error.strerror}") from error
        if reader.is_cut:
            raise CutShort(f"{self._path} is cut short: its last tag is not whole")


def _flv_duration(path: Path) -> float | None:
    """Return the time of the last tag, which the size behind it leads to."""
    try:
        with path.open("rb") as file:
            end = file.seek(-flv.PREVIOUS_TAG_SIZE, os.SEEK_END)
            size = int.from_bytes(file.read(flv.PREVIOUS_TAG_SIZE), "big")
            if not flv.TAG_HEADER_SIZE <= size <= end:
                return None
            file.seek(end - size)
            header = file.read(flv.TAG_HEADER_SIZE)
    except OSError:
        return None
    if int.from_bytes(header[1:4], "big") + flv.TAG_HEADER_SIZE != size:
        return None
    return (header[7] << 24 | int.from_bytes(header[4:7], "big")) / 1000
