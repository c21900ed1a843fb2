"""This module reads what `headend publish` sends: FLV files as they are, all else through PyAV."""

import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import av
from av.stream import Disposition

from headend.codec.flv_muxer import FlvMuxer, Packet
from headend.errors import MediaError
from headend.media import flv
from headend.media.tag import Tag
from headend.sources import tracks
from headend.sources.extent import CutShort, Extent

if TYPE_CHECKING:
    from av.container import InputContainer

READ_SIZE: Final = 64 * 1024  # bytes of an FLV file


class Source(Protocol):
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


class OpenedSource(Source, Protocol):
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
    return AvSource("pipe:0" if name == "-" else name, format_name, options)


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


class AvSource:
    """Whatever PyAV opens: its best video and its best audio stream."""

    def __init__(self, name: str, format_name: str | None, options: Mapping[str, str]) -> None:
        self._name = name
        self._format = format_name
        self._options = dict(options)
        # Kept for the first reading: some devices cannot be opened twice.
        container = self._open()
        self._opened: InputContainer | None = container
        streams = best_streams(container)
        if not streams:
            container.close()
            raise MediaError(f"{name} holds neither video nor audio")
        notes = [tracks.transcoding(stream) for stream in streams]
        self.notes: Sequence[str] = [note for note in notes if note]
        self.duration_s = None if container.duration is None else container.duration / 1_000_000
        self.is_enhanced = any(tracks.is_enhanced(stream) for stream in streams)

    def batches(self) -> Generator[list[Tag], None, None]:
        container, self._opened = self._opened or self._open(), None
        muxer = FlvMuxer()
        with self._explained(), container:
            streams = best_streams(container)
            by_index = {s.index: tracks.add_track(s, muxer.container) for s in streams}
            extents = {s.index: Extent(s) for s in streams}
            for packet in container.demux(*streams):
                extents[packet.stream.index].add(packet)
                for ready in by_index[packet.stream.index](packet):
                    if tags := self._muxed(muxer, ready):
                        yield tags
            if tags := muxer.close():
                yield tags
        self._check(extents.values())

    def _check(self, extents: Iterable[Extent]) -> None:
        """Tell of a file whose end is missing; a device announces nothing."""
        for extent in extents:
            if extent.is_cut:
                seen, announced = extent.seen_s, extent.announced_s
                raise CutShort(
                    f"{self._name} is cut short: {seen:.1f} s of {announced:.1f} s are there"
                )

    def _muxed(self, muxer: FlvMuxer, packet: Packet) -> list[Tag]:
        dts, clock = packet.dts, packet.time_base
        try:
            return muxer.mux(packet)
        except av.FFmpegError as error:
            # What is behind a jump of the clock is another recording, often of another encoder.
            where = "" if dts is None or clock is None else f" {float(dts * clock):.1f} s"
            raise MediaError(
                f"{self._name} cannot be read on at{where}: its clock or its codec changes there"
            ) from error

    def _open(self) -> "InputContainer":
        with self._explained():
            return av.open(self._name, "r", format=self._format, options=self._options)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Put FFmpeg's errors into words; ValueError is an unknown format."""
        try:
            yield
        except (av.FFmpegError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise MediaError(f"{self._name}: {reason}") from error


def best_streams(container: "InputContainer") -> list[tracks.Stream]:
    """Choose a picture and a sound, whichever there are."""
    video, audio = container.streams.best("video"), container.streams.best("audio")
    streams: list[tracks.Stream] = []
    # The cover of an album counts as video.
    if isinstance(video, av.VideoStream) and not video.disposition & Disposition.attached_pic:
        streams.append(video)
    if isinstance(audio, av.AudioStream):
        streams.append(audio)
    return streams
