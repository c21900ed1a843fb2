"""Sample tables: the tracks of an MP4 file whose media lies in one `mdat`, written as a `moov`.

Source: ISO/IEC 14496-12, 8.2 to 8.7.
"""

import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from struct import pack
from typing import Final, Self

from headend.errors import MediaError
from headend.media.boxes import box, boxes, child
from headend.record.samples import SampleRun

MOVIE_SCALE: Final = 90_000  # ticks a second of what is not a track's
MOST_SAMPLES: Final = 50_000_000  # of a track: two weeks of sound
_LONGEST: Final = 0xFFFF_FFFF  # ticks of one sample
_MATRIX: Final = pack(">9I", 0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000)


@dataclass(slots=True)
class SampleTrack:
    """A track, to which samples are added.

    Attributes:
        number: Number of the track in the file in which it was found.
        scale: Ticks a second.
        trak: Content of the `trak` box that described it first.
        entries: Sample entries, each once.
        sizes: Sizes of all samples, bytes.
        durations: Durations of all samples, ticks.
        offsets: Composition times less decoding times, ticks.
        syncs: Numbers of the samples where decoding can start, from 1 on.
        chunks: For each run of samples its place, number of samples, and sample entry from 1 on.
        start: When the first sample is decoded, ticks of the whole.
        end: When the last sample ends, ticks of the whole.
    """

    number: int
    scale: int
    trak: bytes
    entries: list[bytes]
    sizes: "array[int]" = field(default_factory=lambda: array("I"))
    durations: "array[int]" = field(default_factory=lambda: array("I"))
    offsets: "array[int]" = field(default_factory=lambda: array("i"))
    syncs: "array[int]" = field(default_factory=lambda: array("I"))
    chunks: list[tuple[int, int, int]] = field(default_factory=list)
    start: int = 0
    end: int = 0

    @classmethod
    def of(cls, trak: bytes) -> Self:
        """Read a track of an init segment, which has no samples yet.

        Raises:
            MediaError: The init segment cannot be read.
        """
        mdhd = child(trak, b"mdia", b"mdhd")
        tkhd = child(trak, b"tkhd")
        stsd = child(trak, b"mdia", b"minf", b"stbl", b"stsd")
        entries = [box(kind, content) for kind, content in boxes(stsd[8:])]
        at = 20 if mdhd[:1] == b"\x01" else 12
        scale = int.from_bytes(mdhd[at : at + 4], "big")
        number = tkhd[20:24] if tkhd[:1] == b"\x01" else tkhd[12:16]
        if not entries or not scale:
            raise MediaError("MP4: a track says nothing of its samples")
        return cls(int.from_bytes(number, "big"), scale, trak, entries[:1])

    @property
    def handler(self) -> bytes:
        """Kind of the track: `vide`, `soun` …"""
        return child(self.trak, b"mdia", b"hdlr")[8:12]

    def entry(self, entry: bytes) -> int:
        """Return the number of a sample entry, which is added if it is new."""
        if entry not in self.entries:
            self.entries.append(entry)
        return self.entries.index(entry) + 1

    def add(self, run: SampleRun, place: int, entry: int, scale: int, shift: float) -> None:
        """Add a run of samples.

        Args:
            run: The samples.
            place: Offset of the first sample from the start of the media.
            entry: Number of their sample entry.
            scale: Ticks a second of the run.
            shift: Seconds that are added to its times.

        Raises:
            MediaError: There are too many samples.
        """
        dts = round((run.dts / scale + shift) * self.scale)
        if not self.sizes:
            self.start = self.end = dts
        else:  # the last one lasts until now
            before = self.durations[-1]
            self.durations[-1] = min(max(before + dts - self.end, 0), _LONGEST)
            self.end += self.durations[-1] - before
        first = len(self.sizes) + 1
        self.sizes += run.sizes
        self.durations += _scaled(run.durations, scale, self.scale)
        self.offsets += _scaled(run.offsets, scale, self.scale)
        self.syncs.extend(first + number for number in run.syncs)
        self.chunks.append((place, len(run.sizes), entry))
        self.end += sum(self.durations[first - 1 :])
        if len(self.sizes) > MOST_SAMPLES:
            raise MediaError(f"a track has more than {MOST_SAMPLES} samples")

    @property
    def first_shown_s(self) -> float:
        """When its first sample is shown, seconds."""
        return (self.start + self.offsets[0]) / self.scale


def moov(tracks: Sequence[SampleTrack], place: int) -> bytes:
    """Write the `moov` of tracks.

    Args:
        tracks: Each with samples.
        place: Offset of the media in the file that is made.
    """
    began = min(track.first_shown_s for track in tracks)
    lengths = [track.end / track.scale - began for track in tracks]
    mvhd = pack(">B3xQQIQIH10x", 1, 0, 0, MOVIE_SCALE, _movie(max(lengths)), 0x1_0000, 0x100)
    return box(
        b"moov",
        box(b"mvhd", mvhd, _MATRIX, bytes(24), pack(">I", len(tracks) + 1)),
        *(_trak(track, number, place, began) for number, track in enumerate(tracks, start=1)),
    )


def _trak(track: SampleTrack, number: int, place: int, began: float) -> bytes:
    """Write a track; `began`: when the first of all tracks is shown, seconds."""
    tkhd, mdhd = child(track.trak, b"tkhd"), child(track.trak, b"mdia", b"mdhd")
    delay = _movie(track.first_shown_s - began)
    shown = _movie((track.end - track.start) / track.scale)
    head = pack(">B2xBQQI4xQ", 1, 3, 0, 0, number, delay + shown)
    rest = tkhd[36:] if tkhd[:1] == b"\x01" else tkhd[24:]
    language = mdhd[32:34] if mdhd[:1] == b"\x01" else mdhd[20:22]
    media = pack(">B3xQQIQ", 1, 0, 0, track.scale, track.end - track.start)
    edits = [pack(">QqI", delay, -1, 0x1_0000)] if delay else []
    edits.append(pack(">QqI", shown, max(track.offsets[0], 0), 0x1_0000))
    elst = box(b"elst", pack(">B3xI", 1, len(edits)), *edits)
    minf = [
        box(kind, content)
        for kind, content in boxes(child(track.trak, b"mdia", b"minf"))
        if kind != b"stbl"
    ]
    return box(
        b"trak",
        box(b"tkhd", head, rest),
        box(b"edts", elst),
        box(
            b"mdia",
            box(b"mdhd", media, language, bytes(2)),
            box(b"hdlr", child(track.trak, b"mdia", b"hdlr")),
            box(b"minf", *minf, _stbl(track, place)),
        ),
    )


def _stbl(track: SampleTrack, place: int) -> bytes:
    count = len(track.sizes)
    tables = [
        box(b"stsd", pack(">II", 0, len(track.entries)), *track.entries),
        box(b"stts", *_counted(0, track.durations, ">II")),
    ]
    if any(track.offsets):
        tables.append(box(b"ctts", *_counted(1, track.offsets, ">Ii")))
    if len(track.syncs) < count:
        tables.append(box(b"stss", pack(">II", 0, len(track.syncs)), _big_endian(track.syncs)))
    tables += [
        box(b"stsc", *_chunks(track.chunks)),
        box(b"stsz", pack(">III", 0, 0, count), _big_endian(track.sizes)),
        box(
            b"co64",
            pack(">II", 0, len(track.chunks)),
            _big_endian(array("Q", (place + at for at, _, _ in track.chunks))),
        ),
    ]
    return box(b"stbl", *tables)


def _counted(version: int, values: Iterable[int], form: str) -> list[bytes]:
    """Write values as pairs: how often in a row, and which."""
    pairs = [pack(form, sum(1 for _ in each), value) for value, each in groupby(values)]
    return [pack(">B3xI", version, len(pairs)), *pairs]


def _chunks(chunks: Sequence[tuple[int, int, int]]) -> list[bytes]:
    """Write from which chunk on there are how many samples in each, of which entry."""
    entries, before = [], None
    for number, (_, samples, entry) in enumerate(chunks, start=1):
        if (samples, entry) != before:
            entries.append(pack(">III", number, samples, entry))
            before = samples, entry
    return [pack(">II", 0, len(entries)), *entries]


def _scaled(values: "array[int]", scale: int, wanted: int) -> "array[int]":
    if scale == wanted:
        return values
    return array(values.typecode, (round(each * wanted / scale) for each in values))


def _movie(seconds: float) -> int:
    return max(round(seconds * MOVIE_SCALE), 0)


def _big_endian(values: "array[int]") -> bytes:
    if sys.byteorder == "little":
        values = values[:]
        values.byteswap()
    return values.tobytes()
