"""HLS as FFmpeg's demuxer reads it; what it wants to open, somebody else opens for it.

playlists, segments ─► demuxer ─► packets ─► FLV muxer ─► tags
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final

import av
from av.stream import Discard

from headend.codec.explained import explained
from headend.codec.flv_muxer import FlvMuxer, Packet
from headend.codec.transcoding import Stream, Track, add_track
from headend.errors import MediaError
from headend.media.codecs import is_end
from headend.media.tag import Tag

if TYPE_CHECKING:
    from av.container import InputContainer

# FFmpeg would use connections of its own for what comes after the first segment.
OPTIONS: Final = {"http_persistent": "0", "http_multiple": "0"}

Fetch = Callable[[str, int, object], BinaryIO]


def read_hls(
    name: str, url: str, fetch: Fetch, silence_s: float
) -> Generator[list[Tag], None, None]:
    """Give the tags of a playlist's best picture and sound; blocks.

    Args:
        name: Of the playlist, for errors.
        url: Of the playlist.
        fetch: Opens a URL that FFmpeg names; flags and options follow it.
        silence_s: How long FFmpeg waits for more.

    Raises:
        MediaError: FFmpeg cannot read it, or there is neither video nor audio.
        And what the files of `fetch` raise, unless it is an `OSError` or a `ValueError`.
    """
    limits = (silence_s, silence_s)
    with (
        explained(name),
        av.open(
            url, "r", format="hls", options=OPTIONS, timeout=limits, io_open=fetch
        ) as container,
    ):
        yield from _tags(container)


def _tags(container: "InputContainer") -> Generator[list[Tag], None, None]:
    streams = _chosen(container)
    muxer, takes = _muxer_of(streams)
    for packet in container.demux(*streams):
        stream, times = packet.stream, (packet.dts, packet.pts, packet.time_base)
        try:
            tags = _muxed(muxer, takes, packet)
        except av.ArgumentError:  # time goes back: a discontinuity
            with suppress(av.FFmpegError):
                yield [tag for tag in muxer.close() if not is_end(tag)]
            muxer, takes = _muxer_of(streams)
            packet.stream = stream
            packet.dts, packet.pts, packet.time_base = times
            tags = _muxed(muxer, takes, packet)
        if tags:
            yield tags
    if tags := muxer.close():
        yield tags


def _muxer_of(streams: Sequence[Stream]) -> tuple[FlvMuxer, dict[int, Track]]:
    muxer = FlvMuxer()
    return muxer, {stream.index: add_track(stream, muxer.container) for stream in streams}


def _muxed(muxer: FlvMuxer, takes: dict[int, Track], packet: Packet) -> list[Tag]:
    return [tag for ready in takes[packet.stream.index](packet) for tag in muxer.mux(ready)]


def _chosen(container: "InputContainer") -> list[Stream]:
    """Choose the best picture and sound; other variants are not fetched."""
    best = (container.streams.best("video"), container.streams.best("audio"))
    chosen = [s for s in best if isinstance(s, av.VideoStream | av.AudioStream)]
    if not chosen:
        raise MediaError("the playlist holds neither video nor audio")
    for stream in container.streams:
        if stream not in chosen:
            stream.discard = Discard.all
    return chosen
