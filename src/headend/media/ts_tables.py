"""The tables of MPEG-TS: which packets are tracks, of which program, and in which form.

    PAT ─► PMT of each program ─► PID ─► its form
                              └─► PIDs of splice information (SCTE-35), whose tables are given out

The first program is the stream's. Tracks beside the first of a kind, and those of other programs,
have numbers from 1 on. What is damaged is left out and counted, and nothing is kept past a limit.

Source: ISO/IEC 13818-1, 2.4.4 and 2.6.58 to 2.6.63; ETSI TS 101 154 (AC-3); SCTE 35, 8.1;
MISB ST 1402 (KLV).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple
from zlib import crc32

from headend.media.headers import Codec
from headend.media.ts_opus import EXTENSION, REGISTRATION, channels_of

PAT_PID: Final = 0
MAX_SECTION: Final = 1024  # bytes of a PAT or PMT
MAX_SPLICE: Final = 4096  # bytes of a table of splice information
MAX_PROGRAMS: Final = 4  # that are looked at
MAX_VIDEO: Final = 4  # tracks of each kind, in all programs
MAX_SOUNDS: Final = 16
MAX_DATA: Final = 4

# Bits of a byte in the other order: zlib's CRC is that of MPEG with the bits reversed.
_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_CRC_OF_WHOLE: Final = 0xFFFFFFFF

_LATM: Final = 0x11
_CODECS: Final = {
    0x03: Codec.MP3,
    0x04: Codec.MP3,
    0x0F: Codec.AAC,
    _LATM: Codec.AAC,
    0x1B: Codec.H264,
    0x24: Codec.HEVC,
    0x81: Codec.AC3,
    0x87: Codec.EAC3,
}
_PRIVATE: Final = 0x06
_METADATA: Final = 0x15
_SPLICE: Final = 0x86
_SPLICE_TABLE: Final = 0xFC
_PRIVATE_CODECS: Final = {0x6A: Codec.AC3, 0x7A: Codec.EAC3}  # by descriptor (DVB)
_EXTENSION: Final = bytes((EXTENSION,))
_VIDEO: Final = frozenset({Codec.H264, Codec.HEVC})

Descriptors = list[tuple[int, bytes]]


class DataKind(StrEnum):
    """What data beside picture and sound is."""

    SPLICE = "scte-35"
    KLV = "klv"
    ID3 = "id3"


_DATA_FORMATS: Final = {b"KLVA": DataKind.KLV, b"ID3 ": DataKind.ID3}


class Form(NamedTuple):
    """What the tables say of a PID with PES packets.

    Attributes:
        codec: Of the track; None: it is data.
        channels: Of Opus, which says it here alone; else 0.
        is_latm: AAC in LATM, not in ADTS.
        track: Number among the tracks of its kind; 0 is the first program's first one.
        program: Number of its program, from 0 on.
        data: What the data is.
        has_cells: Its data is in cells of metadata (ISO/IEC 13818-1, 2.12.4).
    """

    codec: Codec | None
    channels: int = 0
    is_latm: bool = False
    track: int = 0
    program: int = 0
    data: DataKind | None = None
    has_cells: bool = False

    @property
    def is_video(self) -> bool:
        return self.codec in _VIDEO


class TsTables:
    """Takes the payloads of packets with tables.

    Attributes:
        forms: PIDs with PES packets that are taken; replaced when the tables change.
        pids: PIDs with tables.
        unknown: Types of elementary streams that are not taken.
        damaged: Tables that were left out.
    """

    def __init__(self) -> None:
        self._parts: dict[int, bytes] = {}
        self._programs: dict[int, bytes] = {}  # PID of each PMT, in the order of the PAT; its bytes
        self._splices: frozenset[int] = frozenset()
        self.forms: dict[int, Form] = {}
        self.pids: frozenset[int] = frozenset((PAT_PID,))
        self.unknown: tuple[int, ...] = ()
        self.damaged = 0

    def receive_payload(self, pid: int, payload: bytes, *, is_first: bool) -> bytes:
        """Put a table together, and read it once it is whole; return one of splice information."""
        if is_first:
            known = payload[1 + payload[0] :]
        elif pid in self._parts:
            known = self._parts[pid] + payload
        else:
            return b""
        size = 3 + (int.from_bytes(known[1:3], "big") & 0x0FFF)
        most = MAX_SPLICE if pid in self._splices else MAX_SECTION
        if len(known) < max(size, 3) and size <= most:
            self._parts[pid] = known
            return b""
        self._parts.pop(pid, None)
        section = known[:size]
        if size > most or size < 12 or crc32(section.translate(_REVERSED)) != _CRC_OF_WHOLE:
            self.damaged += 1
        elif pid == PAT_PID:
            self._learn_programs(section)
        elif pid in self._splices:
            return section if section[0] == _SPLICE_TABLE else b""
        elif section != self._programs[pid]:
            self._programs[pid] = section
            self._learn_tracks()
        return b""

    def _learn_programs(self, section: bytes) -> None:
        """Take the programs of a PAT; number 0 is no program."""
        entries = range(8, len(section) - 7, 4)
        if section[0]:
            return
        found = [_pid(section, at + 2) for at in entries if section[at : at + 2] != b"\0\0"]
        pids = list(dict.fromkeys(found))[:MAX_PROGRAMS]
        if pids and pids != list(self._programs):
            self._programs = {pid: self._programs.get(pid, b"") for pid in pids}
            self._learn_tracks()

    def _learn_tracks(self) -> None:
        """Number the tracks of all programs, those of the first one first."""
        forms: dict[int, Form] = {}
        unknown: list[int] = []
        splices = set[int]()
        counts = Counter[str]()
        for program, section in enumerate(self._programs.values()):
            if not program and not section:
                break  # its tracks have the first numbers
            for kind, pid, descriptors in _streams(section):
                if kind == _SPLICE:
                    splices.add(pid)
                    continue
                form = _form(kind, descriptors)
                if form is None or pid in forms or not _take(counts, form, program):
                    unknown += () if pid in forms else (kind,)
                    continue
                track = counts[_kind(form)] - 1
                forms[pid] = form._replace(track=track, program=program)
            for name in ("video", "sound"):  # number 0 is the first program's
                counts[name] = max(counts[name], 1)
        self.forms, self.unknown = forms, tuple(unknown)
        self._splices = frozenset(sorted(splices)[:MAX_DATA]) - forms.keys()
        self.pids = frozenset((PAT_PID, *self._programs, *self._splices))
        self._parts = {pid: part for pid, part in self._parts.items() if pid in self.pids}


def checked(section: bytes) -> bytes:
    """Return a table with its CRC behind it (2.4.4.3, annex A)."""
    remainder = crc32(section.translate(_REVERSED)) ^ _CRC_OF_WHOLE
    return section + int(f"{remainder:032b}"[::-1], 2).to_bytes(4, "big")


_MOST: Final = {"video": MAX_VIDEO, "sound": MAX_SOUNDS, "data": MAX_DATA}


def _kind(form: Form) -> str:
    return "data" if form.codec is None else "video" if form.is_video else "sound"


def _take(counts: Counter[str], form: Form, program: int) -> bool:
    """Count a track if there is room for it."""
    kind = _kind(form)
    if counts[kind] >= _MOST[kind]:
        return False
    counts[kind] += 1
    return True


def _form(kind: int, descriptors: Descriptors) -> Form | None:
    """Return the form of an elementary stream; None: it is not taken."""
    if kind in _CODECS:
        return Form(_CODECS[kind], is_latm=kind == _LATM)
    if kind == _METADATA:
        texts = [data for tag, data in descriptors if tag in (0x05, 0x26)]
        formats = [name for code, name in _DATA_FORMATS.items() if any(code in t for t in texts)]
        return Form(None, data=formats[0], has_cells=True) if formats else None
    if kind != _PRIVATE:
        return None
    if (0x05, b"KLVA") in descriptors:
        return Form(None, data=DataKind.KLV)
    if (0x05, REGISTRATION) in descriptors:
        channels = _opus_channels(descriptors)
        return Form(Codec.OPUS, channels) if channels else None
    codecs = [_PRIVATE_CODECS[tag] for tag, _ in descriptors if tag in _PRIVATE_CODECS]
    return Form(codecs[0]) if codecs else None


def _opus_channels(descriptors: Descriptors) -> int:
    """Return the channels of Opus; 0: a layout that is not known."""
    extensions = [data for tag, data in descriptors if tag == 0x7F and len(data) > 1]
    codes = [data[1] for data in extensions if data.startswith(_EXTENSION)]
    return channels_of(codes[0]) if codes else 2


def _streams(section: bytes) -> Iterator[tuple[int, int, Descriptors]]:
    """Give type, PID and descriptors of each elementary stream of a PMT."""
    if section[:1] != b"\x02":
        return
    offset = 12 + (int.from_bytes(section[10:12], "big") & 0x0FFF)
    end = len(section) - 4
    while offset + 5 <= end:
        kind, pid = section[offset], _pid(section, offset + 1)
        size = int.from_bytes(section[offset + 3 : offset + 5], "big") & 0x0FFF
        at = offset + 5
        offset = at + size
        yield kind, pid, _descriptors(section[at : min(offset, end)])


def _descriptors(data: bytes) -> Descriptors:
    found, at = [], 0
    while at + 2 <= len(data):
        found.append((data[at], data[at + 2 : at + 2 + data[at + 1]]))
        at += 2 + data[at + 1]
    return found


def _pid(section: Sequence[int], at: int) -> int:
    return (section[at] & 0x1F) << 8 | section[at + 1]
