"""Files of recordings, read again: which segments are whole in them, after a crash.

ftyp moov │ moof mdat  moof mdat  moof md      what is behind the last whole fragment goes
"""

import os
from collections.abc import Iterator
from pathlib import Path
from struct import unpack_from
from typing import BinaryIO, Final, NamedTuple

from headend.errors import MediaError
from headend.media.boxes import boxes, child
from headend.media.fragment import TrackId, tracks_of
from headend.media.tag import AUDIO, VIDEO, TagKind
from headend.record.journal import Noted
from headend.record.values import RecordedSegment

BOX: Final = 8  # size and type
MOST_MOOF: Final = 16 * 1024 * 1024
MOST_INIT: Final = 1024 * 1024
# Behind the last whole fragment. More was synced once, and may be read by other means.
MOST_TAIL: Final = 64 * 1024 * 1024
SYNC: Final = 0x0001_0000  # sample_is_non_sync_sample, of the flags of a sample
FLV_HEAD: Final = 13
FLV_TAG: Final = 15  # header and PreviousTagSize
LENGTH: Final = 0.95  # of the length that is wanted: keyframes come a little sooner or later


class Fragment(NamedTuple):
    """A piece of a file that can be played behind those before it.

    Attributes:
        offset: Offset of its first byte.
        size: Number of bytes.
        start: By the clock of the media, seconds.
        end: By the clock of the media, seconds.
        is_keyframe: It begins with a keyframe, or with sound where there is no video.
    """

    offset: int
    size: int
    start: float
    end: float
    is_keyframe: bool


def segments_of(folder: Path, noted: Noted, segment_s: float) -> list[RecordedSegment]:
    """Return the segments of a file, and cut off what a crash has left behind them.

    Args:
        folder: Folder of all recordings.
        noted: The file, as the journal has it.
        segment_s: How long segments should be, seconds.

    Raises:
        OSError: The file cannot be read.
    """
    path = folder / noted.file.path
    with path.open("r+b") as file:
        read = _tags if path.suffix == ".flv" else _fragments
        fragments = list(read(file, noted.file.init_size))
        end = fragments[-1].offset + fragments[-1].size if fragments else noted.file.init_size
        if 0 < file.seek(0, os.SEEK_END) - end <= MOST_TAIL:
            file.truncate(end)
            os.fsync(file.fileno())
    return list(_segments(fragments, noted, segment_s))


def media_of(path: Path) -> tuple[int, int]:
    """Return where the media of a whole fragmented MP4 file begins and ends.

    Raises:
        MediaError: It has none.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        init_size = _box(file, 0, b"ftyp", end)
        init_size += _box(file, init_size, b"moov", end)
        at = init_size
        while moof := _box(file, at, b"moof", end):
            at += moof + _box(file, at + moof, b"mdat", end)
    if not 0 < init_size < at:
        raise MediaError("there is no media in it")
    return init_size, at


def _segments(
    fragments: list[Fragment], noted: Noted, segment_s: float
) -> Iterator[RecordedSegment]:
    begun: Fragment | None = None
    for fragment in fragments:
        if begun is None:
            begun = fragment
        elif fragment.is_keyframe and fragment.start - begun.start >= LENGTH * segment_s:
            yield _segment(begun, fragments[0], noted)
            begun = fragment
        else:
            size, end = begun.size + fragment.size, max(begun.end, fragment.end)
            begun = begun._replace(size=size, end=end)
    if begun is not None:
        yield _segment(begun, fragments[0], noted)


def _segment(fragment: Fragment, first: Fragment, noted: Noted) -> RecordedSegment:
    since = fragment.start - first.start
    return RecordedSegment(
        file=noted.file.number,
        offset=fragment.offset,
        size=fragment.size,
        start_s=noted.start_s + since,
        duration_s=fragment.end - fragment.start,
        date=noted.date + since,
        is_keyframe=fragment.is_keyframe,
    )


# ---------------------------------------------------------------------- MP4


def _fragments(file: BinaryIO, init_size: int) -> Iterator[Fragment]:
    """Give the whole fragments of an MP4 file, up to the first thing that is none."""
    if not 0 < init_size <= MOST_INIT:
        return
    try:
        tracks = tracks_of(file.read(init_size))
    except MediaError:
        return
    end = file.seek(0, os.SEEK_END)
    offset = init_size
    while True:
        moof = _box(file, offset, b"moof", end)
        mdat = _box(file, offset + moof, b"mdat", end) if moof else 0
        if not mdat or moof > MOST_MOOF:
            return
        file.seek(offset)
        try:
            start, duration, is_keyframe = _times(file.read(moof), tracks)
        except (MediaError, IndexError, ValueError):
            return
        yield Fragment(offset, moof + mdat, start, start + duration, is_keyframe)
        offset += moof + mdat


def _box(file: BinaryIO, offset: int, name: bytes, end: int) -> int:
    """Return the size of a box, if it is this one and whole; else 0."""
    file.seek(offset)
    head = file.read(BOX)
    size = int.from_bytes(head[:4], "big")
    is_whole = len(head) == BOX and head[4:] == name and BOX <= size <= end - offset
    return size if is_whole else 0


def _times(moof: bytes, tracks: dict[TagKind, TrackId]) -> tuple[float, float, bool]:
    """Return start and duration of a fragment in seconds, and whether it begins with a keyframe."""
    found: dict[TagKind, tuple[float, float, bool]] = {}
    for name, traf in boxes(child(moof, b"moof")):
        if name != b"traf":
            continue
        kind, scale = _track(child(traf, b"tfhd"), tracks)
        tfdt = child(traf, b"tfdt")
        start = int.from_bytes(tfdt[4:12] if tfdt[:1] == b"\x01" else tfdt[4:8], "big")
        trun = child(traf, b"trun")
        count = int.from_bytes(trun[4:8], "big")
        if int.from_bytes(trun[1:4], "big") != 0xF01 or len(trun) != 12 + 16 * count:
            raise MediaError("a fragment that was not written here")
        values = unpack_from(f">{4 * count}I", trun, 12)
        is_sync = bool(count) and not values[2] & SYNC
        found[kind] = start / scale, sum(values[::4]) / scale, is_sync
    if not found:
        raise MediaError("a fragment without tracks")
    lead = found.get(VIDEO) or found[AUDIO]
    return lead if VIDEO in found or VIDEO not in tracks else (*lead[:2], False)


def _track(tfhd: bytes, tracks: dict[TagKind, TrackId]) -> tuple[TagKind, int]:
    number = int.from_bytes(tfhd[4:8], "big")
    for kind, track in tracks.items():
        if track.number == number and track.timescale:
            return kind, track.timescale
    raise MediaError("a fragment of a track that is not there")


# ---------------------------------------------------------------------- FLV


def _tags(file: BinaryIO, head_size: int) -> Iterator[Fragment]:
    """Give the whole tags of an FLV file behind its head."""
    end = file.seek(0, os.SEEK_END)
    if file.seek(0) or file.read(3) != b"FLV" or head_size < FLV_HEAD:
        return
    offset, has_video = head_size, False
    while offset + FLV_TAG <= end:
        file.seek(offset)
        head = file.read(12)
        size = int.from_bytes(head[1:4], "big") + FLV_TAG
        if offset + size > end:
            return
        time = int.from_bytes(head[7:8] + head[4:7], "big") / 1000
        is_video, is_audio = head[0] == VIDEO, head[0] == AUDIO
        has_video = has_video or is_video
        is_start = (head[11] >> 4 & 7 == 1) if is_video else is_audio and not has_video
        yield Fragment(offset, size, time, time, is_start)
        offset += size
