"""Files, devices and URLs as FFmpeg opens them, read as tags or packet by packet."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import av
from av.stream import Disposition

from headend.codec import transcoding
from headend.codec.explained import explained
from headend.codec.extent import CutShort, Extent
from headend.codec.flv_muxer import FlvMuxer, Packet
from headend.errors import MediaError
from headend.media.tag import Tag

if TYPE_CHECKING:
    from av.container import InputContainer


class MediaFile:
    """The best video and the best audio stream of whatever FFmpeg opens.

    Attributes:
        notes: What a person should know of it, one line each.
        is_enhanced: It holds codecs of Enhanced RTMP.
        duration_s: How long it is, if that is known.
    """

    def __init__(self, name: str, format_name: str | None, options: Mapping[str, str]) -> None:
        """Open it.

        Args:
            name: Path, name of a device, or URL.
            format_name: FFmpeg's name of a format or device; None to guess.
            options: For that format.

        Raises:
            MediaError: It cannot be opened, or holds neither video nor audio.
        """
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
        notes = [transcoding.transcoding(stream) for stream in streams]
        self.notes: Sequence[str] = [note for note in notes if note]
        self.duration_s = None if container.duration is None else container.duration / 1_000_000
        self.is_enhanced = any(transcoding.is_enhanced(stream) for stream in streams)

    def batches(self) -> Generator[list[Tag], None, None]:
        """Read from the start to the end; blocks.

        Raises:
            MediaError: It cannot be read. CutShort: its end is missing; all else has been given.
        """
        container, self._opened = self._opened or self._open(), None
        muxer = FlvMuxer()
        with explained(self._name), container:
            streams = best_streams(container)
            by_index = {s.index: transcoding.add_track(s, muxer.container) for s in streams}
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
        with explained(self._name):
            return av.open(self._name, "r", format=self._format, options=self._options)


def best_streams(container: "InputContainer") -> list[transcoding.Stream]:
    """Choose a picture and a sound, whichever there are."""
    video, audio = container.streams.best("video"), container.streams.best("audio")
    streams: list[transcoding.Stream] = []
    # The cover of an album counts as video.
    if isinstance(video, av.VideoStream) and not video.disposition & Disposition.attached_pic:
        streams.append(video)
    if isinstance(audio, av.AudioStream):
        streams.append(audio)
    return streams
