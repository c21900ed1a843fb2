"""Samples of a fragment, as its `moof` tells of them.

    moof ─ traf ┬ tfhd   defaults of the fragment
                ├ tfdt   when the first sample is decoded
                └ trun   size, duration, flags and composition time of each sample, or some of them

Source: ISO/IEC 14496-12, 8.8.
"""

import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from struct import unpack_from
from typing import Final, NamedTuple

from headend.errors import MediaError
from headend.media.boxes import boxes, child

MOST_SAMPLES: Final = 1_000_000  # of one run
_NO_SYNC: Final = 0x1_0000  # sample_is_non_sync_sample


class Defaults(NamedTuple):
    """Values of samples for which the fragment gives none."""

    duration: int = 0
    size: int = 0
    flags: int = 0


class SampleRun(NamedTuple):
    """Samples of one track that follow each other in a file.

    Attributes:
        track: Number of the track.
        dts: When the first sample is decoded, ticks.
        place: Offset of its first byte in the file.
        sizes: Sizes of the samples, bytes.
        durations: Durations of the samples, ticks.
        offsets: Composition times less decoding times, ticks.
        syncs: Indexes, from 0 on, of the samples where decoding can start.
    """

    track: int
    dts: int
    place: int
    sizes: "array[int]"
    durations: "array[int]"
    offsets: "array[int]"
    syncs: Sequence[int]


def defaults_of(moov: bytes) -> dict[int, Defaults]:
    """Return the defaults of each track, from the content of a `moov`."""
    found = {}
    for kind, content in boxes(child(moov, b"mvex")):
        if kind == b"trex" and len(content) >= 24:
            track, _, duration, size, flags = unpack_from(">5I", content, 4)
            found[track] = Defaults(duration, size, flags)
    return found


def runs_of(moof: bytes, at: int, defaults: Mapping[int, Defaults]) -> Iterator[SampleRun]:
    """Give the runs of a fragment.

    Args:
        moof: The content of the box.
        at: Where the box begins in its file.
        defaults: Defaults of each track.

    Raises:
        MediaError: It cannot be read.
    """
    end = at  # of the data of the track before: where data begins of which nothing else is said
    for kind, traf in boxes(moof):
        if kind == b"traf":
            for run in _Traf(traf, at, end, defaults).runs():
                yield run
                end = run.place + sum(run.sizes)


class _Traf:
    def __init__(self, traf: bytes, at: int, end: int, defaults: Mapping[int, Defaults]) -> None:
        self._traf: Final = traf
        tfhd = child(traf, b"tfhd")
        fields = _Fields(tfhd)
        flags = fields.flags
        self._track = fields.take(4)
        known = defaults.get(self._track, Defaults())
        self._base = fields.take(8) if flags & 0x1 else at if flags & 0x2_0000 else end
        if flags & 0x2:
            fields.take(4)
        self._defaults = Defaults(
            fields.take(4) if flags & 0x8 else known.duration,
            fields.take(4) if flags & 0x10 else known.size,
            fields.take(4) if flags & 0x20 else known.flags,
        )
        tfdt = _Fields(child(traf, b"tfdt") or bytes(8))
        self._dts = tfdt.take(8 if tfdt.version else 4)

    def runs(self) -> Iterator[SampleRun]:
        place, dts = self._base, self._dts
        for kind, content in boxes(self._traf):
            if kind != b"trun":
                continue
            run = self._run(content, place, dts)
            yield run
            place, dts = run.place + sum(run.sizes), dts + sum(run.durations)

    def _run(self, trun: bytes, place: int, dts: int) -> SampleRun:
        fields = _Fields(trun)
        flags, count = fields.flags, fields.take(4)
        if count > MOST_SAMPLES:
            raise MediaError("MP4: a run has too many samples")
        if flags & 0x1:
            place = self._base + fields.take_signed()
        first = fields.take(4) if flags & 0x4 else None
        columns = fields.columns(count, [bool(flags & bit) for bit in (0x100, 0x200, 0x400, 0x800)])
        durations, sizes, sample_flags, offsets = columns
        signed = array("i", (offsets or array("I", bytes(4 * count))).tobytes())
        return SampleRun(
            self._track,
            dts,
            place,
            sizes or array("I", [self._defaults.size]) * count,
            durations or array("I", [self._defaults.duration]) * count,
            signed,
            _syncs(count, sample_flags, self._defaults.flags, first),
        )


def _syncs(
    count: int, flags: "array[int] | None", default: int, first: int | None
) -> Sequence[int]:
    """Return the numbers of the samples at which decoding can start."""
    if flags is not None:
        return [number for number, each in enumerate(flags) if not each & _NO_SYNC]
    rest = range(1, count) if not default & _NO_SYNC else ()
    starts = not (default if first is None else first) & _NO_SYNC
    return [*([0] if starts and count else []), *rest]


class _Fields:
    """The fields of a full box, one after the other."""

    def __init__(self, content: bytes) -> None:
        self._content: Final = content
        self._at = 0
        head = self.take(4)
        self.version: Final = head >> 24
        self.flags: Final = head & 0xFF_FFFF

    def take(self, size: int) -> int:
        """Read a number of so many bytes."""
        return int.from_bytes(self._bytes(size), "big")

    def take_signed(self) -> int:
        return int.from_bytes(self._bytes(4), "big", signed=True)

    def columns(self, count: int, there: Sequence[bool]) -> "list[array[int] | None]":
        """Read a table of 32-bit numbers, column by column; None: a column is not there."""
        width = sum(there)
        table = array("I", self._bytes(4 * count * width))
        if sys.byteorder == "little":
            table.byteswap()
        numbers = iter(range(width))
        return [table[next(numbers) :: width] if each else None for each in there]

    def _bytes(self, size: int) -> bytes:
        data = self._content[self._at : self._at + size]
        if len(data) < size:
            raise MediaError("MP4: a box is cut short")
        self._at += size
        return data
