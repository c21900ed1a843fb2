"""One recording that runs: its files, its timeline, its rows in the index.

parts of media ─► tape ─┬─► spool: bytes, in pieces of `record.part_s`
                        └─► index: rows of what is on the disk
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Final, Literal, NamedTuple, Protocol

from headend.record.disk import DiskWriter, Job, NewFile, Spool
from headend.record.index import RecordingIndex
from headend.record.interrupted import Interrupted
from headend.record.journal import note_of
from headend.record.values import RecordedFile, RecordedSegment, Recording

SLOW: Final = "the disk is too slow: it does not take what comes"
EPSILON_S: Final = 0.001


class Media(NamedTuple):
    """The media of a file.

    Attributes:
        codecs: Codecs as RFC 6381 writes them, with commas.
        width: Luma samples; 0: no video.
        height: Luma samples; 0: no video.
    """

    codecs: str = ""
    width: int = 0
    height: int = 0


class TapeOwner(Protocol):
    """The owner of a tape."""

    def tape_over(self, tape: "Tape", failure: str) -> None:
        """Take note that a tape has ended; `failure`: why before its stream, else empty."""


@dataclass(frozen=True, slots=True)
class TapeSettings:
    """How a stream is recorded.

    Attributes:
        id: Of the recording.
        stream: `APP/NAME`.
        folder: Folder of all recordings.
        suffix: Suffix of files: mp4 or flv.
        part_s: Seconds that are written at a time.
        file_s: Seconds after which a new file begins.
        min_free: Bytes that stay free on the disk.
    """

    id: str
    stream: str
    folder: Path
    suffix: Literal["mp4", "flv"]
    part_s: float
    file_s: float
    min_free: int


@dataclass(slots=True)
class _Segment:
    """Media that was not written yet, or of a segment that is not whole yet."""

    offset: int = 0
    size: int = 0
    start_s: float = 0.0
    end_s: float = 0.0
    is_keyframe: bool = True
    data: list[bytes] = field(default_factory=list)


class _Written(NamedTuple):
    """The row of a segment with a piece of media; `is_whole`: the segment ends with it."""

    row: RecordedSegment
    is_whole: bool


class Tape:
    """One recording that runs.

    Attributes:
        id: Id of the recording.
        wanted: How it is recorded.
        is_over: It takes no more media.
        is_begun: Some of it is on the disk.
    """

    def __init__(
        self,
        wanted: TapeSettings,
        disk: DiskWriter,
        index: RecordingIndex,
        owner: TapeOwner,
        *,
        clock: Callable[[], float],
        before: Interrupted | None = None,
    ) -> None:
        """Prepare; the first file begins with the first media.

        Args:
            wanted: How it is recorded.
            disk: Writes files.
            index: Takes rows.
            owner: Told of the end.
            clock: Gives Unix seconds.
            before: What there is of the recording, which goes on; None: it is a new one.
        """
        self.id: Final = wanted.id
        self.wanted: Final = wanted
        self.is_over = self.is_begun = False
        self._index: Final = index
        self._owner: Final = owner
        self._clock: Final = clock
        self._spool: Final[Spool] = disk.spool(wanted.id, wanted.folder, wanted.min_free, self)
        self._failure = ""
        self._started = 0.0
        self._number = -1  # of the file
        self._size = 0  # of the file, with what waits
        self._file_start_s = 0.0
        self._base_s = 0.0  # place of time 0 of the media on the timeline
        self._end_s = 0.0  # of the timeline
        self._date = 0.0
        self._segment: _Segment | None = None
        self._waiting = _Segment()
        self._on_disk: RecordedSegment | None = None  # what there is of the newest segment
        if before is not None:
            self._started, self._end_s = before.recording.started, before.end_s
            self._number = before.number
            self.is_begun = True
            index.resume(before.recording)

    # ------------------------------------------------------------------ what comes

    @property
    def recording(self) -> Recording:
        """The recording as it began."""
        started = self._started or self._clock()
        return Recording(self.id, self.wanted.stream, "recording", started, None, 0, 0, 0.0)

    @property
    def is_full(self) -> bool:
        """The file is as long as wanted: the next segment belongs into another file."""
        return self._end_s - self._file_start_s >= self.wanted.file_s - EPSILON_S

    @property
    def is_in_segment(self) -> bool:
        return self._segment is not None

    def date(self, seconds: float) -> None:
        """Take the Unix time at which the first frame of the newest segment was sent.

        That is the segment that grows; between two segments, the next one.
        """
        self._date = seconds

    def begin_file(self, head: bytes, media: Media, start: float, *, is_break: bool) -> None:
        """Begin the next file, between two segments.

        Args:
            head: First bytes of the file.
            media: The media of the file.
            start: Time of its first frame by the clock of the media, seconds.
            is_break: The media does not continue what is in the file before.
        """
        if self.is_over:
            return
        is_first = self._number < 0
        if is_first:
            self._started = self._date
        if is_break or is_first:
            self._end_s = max(self._end_s, self._date - self._started)
            self._base_s = self._end_s - start
        self._number += 1
        self._file_start_s = self._end_s
        self._size = len(head)
        name = f"{datetime.fromtimestamp(self._date, UTC):%Y-%m-%dT%H-%M-%SZ}.{self.wanted.suffix}"
        row = RecordedFile(
            self.id, self._number, name, len(head), is_break and self._number > 0, *media
        )
        path = Path(PurePosixPath(self.wanted.stream), name)
        note = note_of(self.recording, row, start_s=self._end_s, date=self._date)
        self._put(Job(NewFile(path, head, note), (), row))

    def add(self, body: bytes, start: float, end: float, *, is_keyframe: bool) -> None:
        """Add media to the segment that grows; `start` and `end` by its own clock, seconds."""
        if self.is_over:
            return
        start_s, end_s = self._base_s + start, self._base_s + end
        if self._segment is None:
            self._segment = _Segment(self._size, 0, start_s, start_s, is_keyframe)
        for piece in (self._segment, self._waiting):
            if not piece.size:
                piece.start_s = start_s
            piece.size += len(body)
            piece.end_s = max(piece.end_s, end_s)
        self._waiting.data.append(body)
        self._size += len(body)
        self._end_s = max(self._end_s, end_s)
        length = self._waiting.end_s - self._waiting.start_s
        if length + (end_s - start_s) > self.wanted.part_s + EPSILON_S:
            self.flush()

    def flush(self) -> None:
        """Have the media so far written: no more may come for a while."""
        if not self.is_over and self._waiting.data and self._segment is not None:
            self._flush(self._segment, is_whole=False)

    def end_segment(self) -> None:
        """Make a whole segment of the media since the last one."""
        segment, self._segment = self._segment, None
        if self.is_over or segment is None:
            return
        self._flush(segment, is_whole=True)

    def end(self) -> None:
        """End the recording after the media that came."""
        if not self.is_over:
            self.end_segment()
            self.is_over = True
            self._spool.end()

    def fail(self, failure: str) -> None:
        """End the recording before its stream."""
        if not self.is_over:
            self._failure = failure
            self.is_over = True
            self._spool.end()

    def _flush(self, segment: _Segment, *, is_whole: bool) -> None:
        waiting, self._waiting = self._waiting, _Segment()
        self._put(Job(None, waiting.data, _Written(self._row(segment), is_whole)))

    def _put(self, job: Job) -> None:
        if not self._spool.put(job):
            self.fail(SLOW)

    def _row(self, piece: _Segment) -> RecordedSegment:
        return RecordedSegment(
            file=self._number,
            offset=piece.offset,
            size=piece.size,
            start_s=piece.start_s,
            duration_s=piece.end_s - piece.start_s,
            date=self._date,
            is_keyframe=piece.is_keyframe,
        )

    # ------------------------------------------------------------------ what is on the disk

    def written(self, job: Job, path: str) -> None:
        match job.mark:
            case RecordedFile() as file:
                if not self.is_begun:
                    self.is_begun = True
                    self._index.begin(self.recording)
                self._index.add_file(replace(file, path=path))
            case _Written(row, is_whole):
                if is_whole:
                    self._index.add_segments(self.id, [row])
                self._on_disk = None if is_whole else row

    def closed(self, failure: str) -> None:
        failure = self._failure or failure
        self.is_over = True
        if self.is_begun:
            if self._on_disk is not None:  # a segment that was not finished
                self._index.add_segments(self.id, [self._on_disk])
            self._index.finish(self.id, self._clock(), failure)
        self._owner.tape_over(self, failure)
