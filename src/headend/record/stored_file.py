"""One file of a recording, read as tags on the recording's timeline; blocks.

    MP4   moof mdat  moof mdat …   a fragment at once
    FLV   tag tag tag …            a piece at once

What is read was written here, and may have been damaged since: nothing is taken for granted.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple, Protocol

from headend.errors import MediaError
from headend.media import flv
from headend.media.boxes import HEAD_BYTES, box_head, child
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag
from headend.record.file_bytes import FileBytes, OpenBytes
from headend.record.samples import Defaults, SampleRun, defaults_of, runs_of
from headend.record.stored_tags import StoredTrack, stored_tracks
from headend.record.values import RecordedSegment

MOST_HEAD: Final = 1024 * 1024  # bytes before the media
MOST_MOOF: Final = 4 * 1024 * 1024  # bytes
MOST_FRAGMENT: Final = 64 * 1024 * 1024  # bytes that are read at once
MOST_SAMPLES: Final = 65_536  # of a fragment
PIECE: Final = 512 * 1024  # bytes of FLV that are read at once
_FILE_START: Final = flv.serialize_header(has_audio=True, has_video=True)


class Batch(NamedTuple):
    """Some tags, and where the next ones are in the file."""

    tags: Sequence[Tag]
    next: int


class StoredFile(Protocol):
    """A file of a recording whose head has been read.

    Attributes:
        headers: Metadata and sequence headers, with which its media begins.
    """

    headers: Sequence[Tag]

    def batch(self, segment: RecordedSegment, at: int) -> Batch:
        """Read some of a segment, from a place that is its start or the `next` of a batch.

        Raises:
            MediaError: It is damaged.
            OSError: The file cannot be read.
        """

    def start(self, segment: RecordedSegment, position: int) -> tuple[int, int]:
        """Find the last keyframe of a segment that is not behind a position, ms; else its first.

        Returns:
            Where to read from, and the time of the keyframe in ms: what is before goes.

        Raises:
            MediaError: It is damaged.
            OSError: The file cannot be read.
        """


def open_stored(bytes_of: FileBytes, init_size: int, first: RecordedSegment | None) -> StoredFile:
    """Read the head of a file.

    Args:
        bytes_of: Its bytes.
        init_size: Bytes before its media.
        first: Its first segment, which says where it is on the timeline; None: its own times do.

    Raises:
        MediaError: It is damaged, or nothing that can be sent over RTMP.
        OSError: It cannot be read.
    """
    if not 0 < init_size <= MOST_HEAD:
        raise MediaError("the head of a file is too large")
    return (_Flv if bytes_of.name.endswith(".flv") else _Mp4)(bytes_of, init_size, first)


def _read(file: OpenBytes, at: int, size: int) -> bytes:
    data = file.read(at, size)
    if len(data) < size:
        raise MediaError("the file is shorter than it was")
    return data


def _last_start(starts: Iterator[tuple[int, int]], position: int) -> tuple[int, int]:
    """Return the last start that is not behind a position, else the first; each: place, time."""
    found = None
    for start in starts:
        if found is None or start[1] <= position:
            found = start
        else:
            break
    if found is None:
        raise MediaError("a segment has no keyframe")
    return found


class _Mp4:
    """Fragmented MP4."""

    def __init__(self, bytes_of: FileBytes, init_size: int, first: RecordedSegment | None) -> None:
        self._bytes: Final = bytes_of
        with bytes_of.opened() as file:
            moov = child(_read(file, 0, init_size), b"moov")
            self._tracks: Final[dict[int, StoredTrack]] = stored_tracks(moov)
            self._defaults: Final[dict[int, Defaults]] = defaults_of(moov)
            tracks = self._tracks.values()
            self._lead: Final = VIDEO if any(each.kind is VIDEO for each in tracks) else AUDIO
            self.headers: Sequence[Tag] = [each.header for each in tracks if each.header]
            self._shift = 0
            if first is None:
                return
            runs, _ = self._runs(file, first.offset, first.offset + first.size)
        begins = [run.dts * 1000 / self._tracks[run.track].scale for run in self._leading(runs)]
        start = min(begins, default=0.0)
        self._shift = round(first.start_s * 1000 - start)

    def batch(self, segment: RecordedSegment, at: int) -> Batch:
        end = segment.offset + segment.size
        with self._bytes.opened() as file:
            runs, size = self._runs(file, at, end)
            data = _read(file, at, size)
        found: list[Tag] = []
        for run in runs:
            found += self._tags(run, data, at)
        found.sort(key=lambda tag: tag.timestamp)
        return Batch(found, at + size)

    def start(self, segment: RecordedSegment, position: int) -> tuple[int, int]:
        with self._bytes.opened() as file:
            return _last_start(self._starts(file, segment), position)

    def _starts(self, file: OpenBytes, segment: RecordedSegment) -> Iterator[tuple[int, int]]:
        at, end = segment.offset, segment.offset + segment.size
        while at < end:
            runs, size = self._runs(file, at, end)
            for run in self._leading(runs):
                begins = list(accumulate(run.durations, initial=run.dts))
                for number in run.syncs:
                    yield at, self._ms(run.track, begins[number])
            at += size

    def _leading(self, runs: Sequence[SampleRun]) -> list[SampleRun]:
        return [run for run in runs if self._tracks[run.track].kind is self._lead]

    def _ms(self, track: int, ticks: int) -> int:
        """Return a time of a track on the timeline of the recording."""
        return max(0, round(ticks * 1000 / self._tracks[track].scale) + self._shift)

    def _runs(self, file: OpenBytes, at: int, end: int) -> tuple[list[SampleRun], int]:
        """Return the samples of the fragment at a place, and its size."""
        kind, head, moof = box_head(_read(file, at, min(HEAD_BYTES, end - at)))
        if kind != b"moof" or at + moof >= end or moof > MOST_MOOF:
            raise MediaError("a segment does not consist of fragments")
        name, _, mdat = box_head(_read(file, at + moof, min(HEAD_BYTES, end - at - moof)))
        size = moof + mdat
        if name != b"mdat" or at + size > end or size > MOST_FRAGMENT:
            raise MediaError("a segment does not consist of fragments")
        content = _read(file, at + head, moof - head)
        runs = [run for run in runs_of(content, at, self._defaults) if run.track in self._tracks]
        if sum(len(run.sizes) for run in runs) > MOST_SAMPLES:
            raise MediaError("a fragment has too many samples")
        return runs, size

    def _tags(self, run: SampleRun, data: bytes, at: int) -> Iterator[Tag]:
        """Give the tags of a run; `data` is what is in the file from a place on."""
        track, syncs = self._tracks[run.track], frozenset(run.syncs)
        place, ticks = run.place - at, run.dts
        if place < 0 or place + sum(run.sizes) > len(data):
            raise MediaError("a sample is not in its fragment")
        for number, size in enumerate(run.sizes):
            composition = round(run.offsets[number] * 1000 / track.scale)
            yield track.frame(
                self._ms(run.track, ticks),
                composition,
                data[place : place + size],
                is_sync=number in syncs,
            )
            place, ticks = place + size, ticks + run.durations[number]


class _Flv:
    """FLV, whose tags stay as they are but for their times."""

    def __init__(self, bytes_of: FileBytes, init_size: int, first: RecordedSegment | None) -> None:
        self._bytes: Final = bytes_of
        with bytes_of.opened() as file:
            head = _read(file, 0, init_size)
        reader = flv.Reader()
        reader.receive_data(head)
        self.headers: Sequence[Tag] = reader.tags()
        kinds = {tag.kind for tag in self.headers}
        self._lead: Final = VIDEO if VIDEO in kinds else AUDIO
        self._shift = 0
        if first is not None:
            tags = self.batch(first, first.offset).tags
            self._shift = round(first.start_s * 1000) - tags[0].timestamp

    def batch(self, segment: RecordedSegment, at: int) -> Batch:
        end = segment.offset + segment.size
        size = min(PIECE, end - at)
        with self._bytes.opened() as file:
            while True:
                reader = flv.Reader()
                reader.receive_data(_FILE_START + _read(file, at, size))
                tags = reader.tags()
                if tags:
                    break
                if size == end - at:
                    raise MediaError("a segment does not consist of tags")
                size = min(flv.MAX_TAG_SIZE + flv.UNIT_HEADER_SIZE, end - at)
        used = sum(len(tag.body) + flv.UNIT_HEADER_SIZE for tag in tags)
        moved = [
            tag._replace(timestamp=(tag.timestamp + self._shift) & 0xFFFF_FFFF) for tag in tags
        ]
        return Batch(moved, at + used)

    def start(self, segment: RecordedSegment, position: int) -> tuple[int, int]:
        return _last_start(self._starts(segment), position)

    def _starts(self, segment: RecordedSegment) -> Iterator[tuple[int, int]]:
        at, end = segment.offset, segment.offset + segment.size
        while at < end:
            batch = self.batch(segment, at)
            for tag in batch.tags:
                if tag.kind is self._lead and (tag.is_keyframe or self._lead is AUDIO):
                    yield at, tag.timestamp
            at = batch.next


def is_before(tag: Tag, time: int) -> bool:
    """Say whether a tag is media from before a time; headers and data are not."""
    return tag.kind is not SCRIPT and not tag.is_sequence_header and tag.timestamp < time
