"""The head of one MP4 file that is made of the files of a recording, without a copy of their media.

    recording   ftyp moov │ moof mdat moof mdat …        ftyp moov │ moof mdat …
                          └────────────┬───────────┘               └─────┬─────┘
    one file    ftyp moov mdat( ──── as it is ──────── ────────────── as it is ── )
                     └─ samples, by their place in that mdat

What a player finds there are the samples; the `moof` boxes between them are never looked at.

Source: ISO/IEC 14496-12, 8.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import pack
from typing import BinaryIO, Final

from headend.errors import MediaError
from headend.media.boxes import HEAD_BYTES, box, box_head, boxes, child
from headend.record.sample_tables import SampleTrack, moov
from headend.record.samples import Defaults, SampleRun, defaults_of, runs_of

MOST_MOOF: Final = 16 * 1024 * 1024  # bytes
MOST_INIT: Final = 1024 * 1024  # bytes
_FTYP: Final = box(b"ftyp", b"isom", pack(">I", 0x200), b"isomiso6mp41")


@dataclass(frozen=True, slots=True)
class HeadSource:
    """One file of a recording.

    Attributes:
        path: Path of the file.
        init_size: Bytes of `ftyp moov`.
        end: Offset behind its last whole fragment.
        start_s: Its start on the timeline of the recording; None: it continues the file before.
    """

    path: str
    init_size: int
    end: int
    start_s: float | None


def head_of(sources: Sequence[HeadSource]) -> bytes:
    """Return the bytes before the media: `ftyp`, `moov` and the head of `mdat`.

    The media of all files follows, each from `init_size` to `end`.

    Raises:
        MediaError: A file is not what a recording is made of.
        OSError: A file cannot be read.
    """
    tracks: dict[tuple[bytes, int], SampleTrack] = {}
    place, shift = 0, 0.0
    for source in sources:
        with Path(source.path).open("rb") as file:
            shift = _Reader(file, source, tracks, place).read(shift)
        place += source.end - source.init_size
    if not any(track.sizes for track in tracks.values()):
        raise MediaError("the recording has no media yet")
    filled = [track for track in tracks.values() if track.sizes]
    size = len(_FTYP) + len(moov(filled, 0)) + HEAD_BYTES
    mdat = pack(">I4sQ", 1, b"mdat", HEAD_BYTES + place)
    return _FTYP + moov(filled, size) + mdat


class _Reader:
    """Reads the samples of one file into the tracks of all."""

    def __init__(
        self,
        file: BinaryIO,
        source: HeadSource,
        tracks: dict[tuple[bytes, int], SampleTrack],
        place: int,
    ) -> None:
        self._file: Final = file
        self._source: Final = source
        self._place: Final = place - source.init_size  # of its first byte, from the media's start
        init = self._bytes(0, min(source.init_size, MOST_INIT + 1))
        if len(init) > MOST_INIT:
            raise MediaError("the head of a file is too large")
        self._moov: Final = child(init, b"moov")
        self._tracks: Final[dict[int, tuple[SampleTrack, int, int]]] = {}  # by its number here
        self._defaults: Final[dict[int, Defaults]] = defaults_of(self._moov)
        self._join(tracks)

    def _join(self, tracks: dict[tuple[bytes, int], SampleTrack]) -> None:
        """Find the track of all that each of this file's goes on with."""
        count: dict[bytes, int] = {}
        for kind, trak in boxes(self._moov):
            if kind != b"trak":
                continue
            made = SampleTrack.of(trak)
            handler = made.handler
            nth = count[handler] = count.get(handler, 0) + 1
            track = tracks.setdefault((handler, nth), made)
            self._tracks[made.number] = track, made.scale, track.entry(made.entries[0])
        if not self._tracks:
            raise MediaError("a file has no tracks")

    def read(self, shift: float) -> float:
        """Add all samples; return what is added to the times of the file, in seconds.

        Args:
            shift: That of the file before, which is kept if this one goes on.
        """
        at, runs, is_first = self._source.init_size, list[SampleRun](), True
        while at < self._source.end:
            kind, head, size = box_head(self._bytes(at, HEAD_BYTES))
            if at + size > self._source.end:
                break  # it was cut short, and what counts is before
            if kind == b"moof":
                if size > MOST_MOOF:
                    raise MediaError("a fragment is too large")
                runs = list(runs_of(self._bytes(at + head, size - head), at, self._defaults))
            elif kind == b"mdat":  # what the fragment tells of is there
                if is_first and self._source.start_s is not None:
                    shift = self._source.start_s - self._base(runs)
                is_first = False
                for run in runs:
                    self._add(run, shift)
            at += size
        return shift

    def _base(self, runs: Sequence[SampleRun]) -> float:
        """Return when the first sample of some runs is decoded, seconds."""
        return min(
            (run.dts / self._tracks[run.track][1] for run in runs if run.track in self._tracks),
            default=0.0,
        )

    def _add(self, run: SampleRun, shift: float) -> None:
        if run.track not in self._tracks or not run.sizes:
            return
        track, scale, entry = self._tracks[run.track]
        track.add(run, self._place + run.place, entry, scale, shift)

    def _bytes(self, at: int, size: int) -> bytes:
        self._file.seek(at)
        return self._file.read(size)
