"""This module tells what a file is: FLV by its tags, all else through PyAV, nothing decoded."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import av

from headend.client.probing import (
    AudioFacts,
    Facts,
    Measure,
    TrackCount,
    VideoFacts,
    span_of,
    total,
)
from headend.errors import MediaError
from headend.media import flv
from headend.sources.files import best_streams

if TYPE_CHECKING:
    from av.container import InputContainer

MAX_S: Final = 600.0  # of media; the rates of a longer file are those of its beginning
READ_SIZE: Final = 1024 * 1024  # bytes
MAX_PACKETS: Final = 1_000_000
PROTOCOL: Final = "file"


def probe_file(path: Path) -> Facts:
    """Look at a file; blocks.

    Raises:
        MediaError: It cannot be read, or there is no media in it.
    """
    try:
        with path.open("rb") as file:
            is_flv = file.read(3) == b"FLV"
    except OSError as error:
        raise MediaError(f"{path}: {error.strerror}") from error
    return _probe_flv(path) if is_flv else _probe_other(path)


def _probe_flv(path: Path) -> Facts:
    reader, measure = flv.Reader(), Measure()
    with path.open("rb") as file:
        while measure.duration_s < MAX_S and (data := file.read(READ_SIZE)):
            reader.receive_data(data)
            for tag in reader.tags():
                measure.add(tag, 0.0)
    if not measure.has_media:
        raise MediaError(f"{path} holds neither video nor audio")
    return measure.facts(PROTOCOL, time_to_connect=None, time_to_first=None)


def _probe_other(path: Path) -> Facts:
    try:
        with av.open(str(path)) as container:
            return _measure(container, path)
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"{path}: {reason}") from error


def _measure(container: "InputContainer", path: Path) -> Facts:
    streams = best_streams(container)
    if not streams:
        raise MediaError(f"{path} holds neither video nor audio")
    counts: dict[int, TrackCount] = {}
    for packet in islice(container.demux(*streams), MAX_PACKETS):
        if packet.dts is None or packet.time_base is None:
            continue
        dts = round(packet.dts * packet.time_base * 1000)
        pts = dts if packet.pts is None else round(packet.pts * packet.time_base * 1000)
        count = counts.setdefault(packet.stream.index, TrackCount(dts))
        count.add(dts, pts, packet.size, is_keyframe=packet.is_keyframe)
        if span_of(counts.values()) > MAX_S * 1000:
            break
    video: VideoFacts | None = None
    audio: AudioFacts | None = None
    for stream in streams:
        count = counts.setdefault(stream.index, TrackCount(0))
        name = stream.codec.canonical_name
        if isinstance(stream, av.VideoStream):
            declared = float(stream.average_rate) if stream.average_rate else None
            size = (stream.width, stream.height)
            video = count.video(name, None, size, declared, (stream.profile, None))
        else:
            audio = count.audio(name, None, stream.sample_rate, stream.channels, stream.profile)
    return total(PROTOCOL, counts.values(), video, audio)
