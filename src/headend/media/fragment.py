"""Fragments of MP4: `moof` and `mdat` with samples of one or two tracks.

    moof  mfhd  traf  tfhd tfdt trun   for each track
    mdat  payloads of the first track, then of the second

What goes into a fragment is the caller's choice alone, and nothing in a payload can be refused.

Source: ISO/IEC 14496-12, 8.8.
"""

from collections.abc import Mapping, Sequence
from struct import pack
from typing import Final, NamedTuple

from headend.errors import MediaError
from headend.media.boxes import boxes, child
from headend.media.tag import VIDEO, TagKind

SYNC: Final = 0x0200_0000  # sample_depends_on: no other
NO_SYNC: Final = 0x0101_0000
_DEFAULT_BASE: Final = 0x02_0000  # tfhd: offsets count from the moof
_TRUN_FLAGS: Final = 0xF01  # data offset; duration, size, flags and composition time of each
_TRAF_SIZE: Final = 8 + 16 + 20 + 20  # without samples
_SAMPLE_SIZE: Final = 16
_HEAD_SIZE: Final = 8 + 16  # moof, mfhd


class Sample(NamedTuple):
    """One access unit in a fragment. Times in ms.

    Attributes:
        dts: Decoding time.
        pts: Presentation time.
        duration: Until the next one of its track is decoded.
        is_sync: Decoding can start here.
        payload: Its bytes.
    """

    dts: int
    pts: int
    duration: int
    is_sync: bool
    payload: bytes


class TrackId(NamedTuple):
    """How fragments name a track: its number, and ticks a second."""

    number: int
    timescale: int


class Fragments:
    """Writes the fragments that belong to one init segment."""

    def __init__(self, init: bytes) -> None:
        """Take note of the tracks.

        Raises:
            MediaError: There are none in the init segment.
        """
        self._tracks = tracks_of(init)
        self._number = 0

    def write(self, samples: Mapping[TagKind, Sequence[Sample]]) -> bytes:
        """Write one fragment; tracks without samples are not in it."""
        self._number += 1
        runs = [(self._tracks[kind], each) for kind, each in samples.items() if each]
        size = _HEAD_SIZE + sum(_TRAF_SIZE + _SAMPLE_SIZE * len(each) for _, each in runs)
        pieces = [pack(">I4sI4sII", size, b"moof", 16, b"mfhd", 0, self._number)]
        offset = size + 8
        for track, run in runs:
            pieces.append(_traf(track, run, offset))
            offset += sum(len(sample.payload) for sample in run)
        pieces.append(pack(">I4s", offset - size, b"mdat"))
        pieces += [sample.payload for _, run in runs for sample in run]
        return b"".join(pieces)


def _traf(track: TrackId, run: Sequence[Sample], offset: int) -> bytes:
    """Write what stands of a track; its payloads begin so many bytes behind the start."""
    number, scale = track

    def ticks(ms: int) -> int:
        return (ms * scale + 500) // 1000

    values: list[int] = []
    for dts, pts, duration, is_sync, payload in run:
        start = ticks(dts)
        values += (
            min(max(ticks(dts + duration) - start, 1), 0xFFFF_FFFF),
            len(payload),
            SYNC if is_sync else NO_SYNC,
            (ticks(pts) - start) & 0xFFFF_FFFF,
        )
    size = 20 + _SAMPLE_SIZE * len(run)
    return (
        pack(">I4sI4sII", _TRAF_SIZE - 20 + size, b"traf", 16, b"tfhd", _DEFAULT_BASE, number)
        + pack(">I4sIQ", 20, b"tfdt", 0x0100_0000, max(ticks(run[0].dts), 0))
        + pack(">I4sIII", size, b"trun", 0x0100_0000 | _TRUN_FLAGS, len(run), offset)
        + pack(f">{len(values)}I", *values)
    )


def tracks_of(init: bytes) -> dict[TagKind, TrackId]:
    """Return the tracks of an init segment.

    Raises:
        MediaError: There are none, or a box is cut short.
    """
    found: dict[TagKind, TrackId] = {}
    for name, trak in boxes(child(init, b"moov")):
        if name != b"trak":
            continue
        mdia = child(trak, b"mdia")
        mdhd = child(mdia, b"mdhd")
        at = 20 if mdhd[:1] == b"\x01" else 12
        is_video = child(mdia, b"hdlr")[8:12] == b"vide"
        tkhd = child(trak, b"tkhd")
        number = tkhd[20:24] if tkhd[:1] == b"\x01" else tkhd[12:16]
        kind = VIDEO if is_video else TagKind.AUDIO
        found[kind] = TrackId(
            int.from_bytes(number, "big"), int.from_bytes(mdhd[at : at + 4], "big")
        )
    if not found:
        raise MediaError("the init segment holds no track")
    return found
