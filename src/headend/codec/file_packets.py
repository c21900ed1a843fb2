"""Tracks and packets of a file, as they are told to those who decode nothing."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import av

from headend.codec.explained import explained
from headend.codec.media_file import best_streams
from headend.errors import MediaError
from headend.media.tag import AUDIO, VIDEO, TagKind

if TYPE_CHECKING:
    from av.container import InputContainer

    from headend.codec.transcoding import Stream


@dataclass(frozen=True, slots=True)
class FileTrack:
    """The best pictures or the best sound of a file.

    Attributes:
        index: Packets that belong to it name it as their track.
        kind: VIDEO or AUDIO.
        codec: FFmpeg's name, such as `h264`.
        profile: Such as `High`; None: not known.
        size: Width and height in pixels; zeros for sound.
        frame_rate: Pictures a second, as the file declares; None: it does not, or this is sound.
        sample_rate: Hz; 0 for pictures.
        channels: How many; 0 for pictures.
    """

    index: int
    kind: TagKind
    codec: str
    profile: str | None
    size: tuple[int, int] = (0, 0)
    frame_rate: float | None = None
    sample_rate: int = 0
    channels: int = 0


class FilePacket(NamedTuple):
    """A frame as it is stored; times in ms, sizes in bytes."""

    track: int
    dts: int
    pts: int
    size: int
    is_keyframe: bool


class OpenedFile:
    """A file that is open.

    Attributes:
        tracks: What it holds.
    """

    def __init__(self, container: "InputContainer", name: str) -> None:
        self._container = container
        self._streams = best_streams(container)
        if not self._streams:
            raise MediaError(f"{name} holds neither video nor audio")
        self.tracks = [_track(stream) for stream in self._streams]

    def packets(self) -> Generator[FilePacket, None, None]:
        """Read packet by packet; those without a time are left out."""
        for packet in self._container.demux(*self._streams):
            clock = packet.time_base
            if packet.dts is None or clock is None:
                continue
            dts = round(packet.dts * clock * 1000)
            pts = dts if packet.pts is None else round(packet.pts * clock * 1000)
            yield FilePacket(packet.stream.index, dts, pts, packet.size, packet.is_keyframe)


@contextmanager
def opened(path: Path) -> Iterator[OpenedFile]:
    """Open a file for the time of the block.

    Raises:
        MediaError: It cannot be read, or holds neither video nor audio.
    """
    with explained(str(path)), av.open(str(path)) as container:
        yield OpenedFile(container, str(path))


def _track(stream: "Stream") -> FileTrack:
    index, name = stream.index, stream.codec.canonical_name
    if isinstance(stream, av.VideoStream):
        rate = float(stream.average_rate) if stream.average_rate else None
        size = (stream.width, stream.height)
        return FileTrack(index, VIDEO, name, stream.profile, size, rate)
    rate, channels = stream.sample_rate, stream.channels
    return FileTrack(index, AUDIO, name, stream.profile, sample_rate=rate, channels=channels)
