"""What a file is: FLV by its tags, all else through FFmpeg, nothing decoded."""

from itertools import islice
from pathlib import Path
from typing import Final

from headend.client.probing import (
    AudioFacts,
    Facts,
    Measure,
    TrackCount,
    VideoFacts,
    span_of,
    total,
)
from headend.codec.file_packets import opened
from headend.errors import MediaError
from headend.media import flv
from headend.media.tag import VIDEO

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
    with opened(path) as file:
        counts: dict[int, TrackCount] = {}
        for number, dts, pts, size, is_keyframe in islice(file.packets(), MAX_PACKETS):
            count = counts.setdefault(number, TrackCount(dts))
            count.add(dts, pts, size, is_keyframe=is_keyframe)
            if span_of(counts.values()) > MAX_S * 1000:
                break
    video: VideoFacts | None = None
    audio: AudioFacts | None = None
    for track in file.tracks:
        count = counts.setdefault(track.index, TrackCount(0))
        if track.kind is VIDEO:
            profile = (track.profile, None)
            video = count.video(track.codec, None, track.size, track.frame_rate, profile)
        else:
            audio = count.audio(track.codec, None, track.sample_rate, track.channels, track.profile)
    return total(PROTOCOL, counts.values(), video, audio)
