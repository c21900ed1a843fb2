"""MPEG-TS taken apart: the best track of each kind of the first program, as whole PES packets.

    bytes ─► packets of 188 ─┬─► PAT ─► PMT ─► which PIDs are tracks
                             └─► PES packets of these PIDs ─► units with their times

What is damaged is left out and counted. Nothing that comes raises an error or is kept past a limit.

Source: ISO/IEC 13818-1, 2.4.3 (packets, PES) and 2.4.4 (tables); ETSI TS 101 154 (AC-3).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from zlib import crc32

from headend.media.headers import Codec
from headend.media.ts_opus import EXTENSION, REGISTRATION, channels_of

PACKET_SIZE: Final = 188
SYNC: Final = 0x47
MAX_UNIT: Final = 8 * 1024 * 1024  # bytes of a PES packet: a second of 64 Mbit/s
MAX_SECTION: Final = 1024  # bytes of a table
PAT_PID: Final = 0
CLOCK_HZ: Final = 90_000

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
_PRIVATE_CODECS: Final = {0x6A: Codec.AC3, 0x7A: Codec.EAC3}  # by descriptor (DVB)
_EXTENSION: Final = bytes((EXTENSION,))
_VIDEO: Final = frozenset({Codec.H264, Codec.HEVC})


class Unit(NamedTuple):
    """What one PES packet holds.

    Attributes:
        codec: Of its track.
        pts: When it is shown, 33 bits of 90 kHz.
        dts: When it is decoded, 33 bits of 90 kHz.
        is_random_access: The packet says that decoding can start here.
        payload: Elementary stream: for video one access unit, in Annex B.
        channels: Of Opus, which says it in the tables alone; else 0.
        is_latm: AAC in LATM, not in ADTS.
    """

    codec: Codec
    pts: int
    dts: int
    is_random_access: bool
    payload: bytes
    channels: int = 0
    is_latm: bool = False


class _Form(NamedTuple):
    """What a PMT says of a track; see `Unit`."""

    codec: Codec
    channels: int
    is_latm: bool


@dataclass(slots=True)
class _Pid:
    """A PID whose PES packets are put together."""

    form: _Form
    counter: int = -1  # continuity counter of the packet before
    pieces: list[bytes] = field(default_factory=list)
    size: int = 0
    wanted: int = 0  # bytes of the whole PES packet; 0: it ends where the next one begins
    is_random_access: bool = False
    is_filled: bool = False  # the newest packet has bytes that are no payload

    def clear(self) -> None:
        self.pieces = []
        self.size = 0


class TsDemuxer:
    """Takes bytes as they come, and returns the units that are whole.

    Attributes:
        damaged: Units, tables and stretches of bytes that were left out.
        packets: Packets seen.
        unknown: Types of elementary streams in the newest PMT that are not taken.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._pmt_pid = -1
        self._pmt = b""
        self._sections: dict[int, bytes] = {}
        self._tracks: dict[int, _Pid] = {}
        self.damaged = 0
        self.packets = 0
        self.unknown: tuple[int, ...] = ()

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """Return the codecs of the tracks, once the tables are known."""
        return tuple(track.form.codec for track in self._tracks.values())

    def receive_data(self, data: bytes) -> list[Unit]:
        """Take bytes; they need not begin or end where a packet does."""
        if self._rest:
            data = self._rest + data
        units: list[Unit] = []
        offset, end = 0, len(data) - PACKET_SIZE
        while offset <= end:
            if data[offset] != SYNC:
                self.damaged += 1
                offset = _next_packet(data, offset)
                continue
            self._packet(data, offset, units)
            offset += PACKET_SIZE
        self._rest = data[offset:]
        return units

    def flush(self) -> list[Unit]:
        """Return what is whole although nothing follows: its last packet was filled up."""
        tracks = [each for each in self._tracks.values() if each.is_filled]
        return [unit for track in tracks for unit in self._finished(track)]

    # ------------------------------------------------------------------ packets

    def _packet(self, data: bytes, offset: int, units: list[Unit]) -> None:
        # Hot path: once for every 188 bytes.
        self.packets += 1
        second, flags = data[offset + 1], data[offset + 3]
        pid = (second & 0x1F) << 8 | data[offset + 2]
        track = self._tracks.get(pid)
        if track is None and pid not in (PAT_PID, self._pmt_pid):
            return
        start, end = offset + 4, offset + PACKET_SIZE
        is_random_access = is_filled = False
        if flags & 0x20:
            size = data[start]
            is_filled = size == 0 or size > (7 if data[start + 1] & 0x10 else 1)
            is_random_access = size > 0 and bool(data[start + 1] & 0x40)
            start += 1 + size
        if not flags & 0x10 or start >= end or second & 0x80:
            return
        payload = data[start:end]
        if track is None:
            self._table(pid, payload, is_first=bool(second & 0x40))
            return
        counter = flags & 0x0F
        if counter == track.counter and not second & 0x40:
            return  # sent twice (2.4.3.3)
        if track.counter >= 0 and counter != (track.counter + 1) & 0x0F and track.pieces:
            self.damaged += 1
            track.clear()
        track.counter = counter
        track.is_filled = is_filled
        if second & 0x40:
            units += self._finished(track)
            track.is_random_access = is_random_access
            track.wanted = _pes_size(payload)
        elif not track.pieces:
            return  # its beginning has not come
        track.pieces.append(payload)
        track.size += len(payload)
        if track.wanted and track.size >= track.wanted:
            units += self._finished(track)
        elif track.size > MAX_UNIT:
            self.damaged += 1
            track.clear()

    def _finished(self, track: _Pid) -> Iterator[Unit]:
        if not track.pieces:
            return
        pes, wanted = b"".join(track.pieces), track.wanted
        track.clear()
        unit = _unit(track, pes[:wanted] if wanted else pes)
        if unit is None or len(pes) < wanted:
            self.damaged += 1
        else:
            yield unit

    # ------------------------------------------------------------------ tables

    def _table(self, pid: int, payload: bytes, *, is_first: bool) -> None:
        """Put a section together, and read it once it is whole."""
        if is_first:
            known = payload[1 + payload[0] :]
        elif pid in self._sections:
            known = self._sections[pid] + payload
        else:
            return
        size = 3 + (int.from_bytes(known[1:3], "big") & 0x0FFF)
        if len(known) < max(size, 3) and size <= MAX_SECTION:
            self._sections[pid] = known
            return
        self._sections.pop(pid, None)
        section = known[:size]
        if size > MAX_SECTION or size < 12 or crc32(section.translate(_REVERSED)) != _CRC_OF_WHOLE:
            self.damaged += 1
        elif pid == PAT_PID:
            self._learn_program(section)
        elif section != self._pmt:
            self._pmt = section
            self._learn_tracks(section)

    def _learn_program(self, section: bytes) -> None:
        """Take the first program of a PAT; number 0 is no program."""
        entries = range(8, len(section) - 7, 4)
        programs = [at for at in entries if section[0] == 0 and section[at : at + 2] != b"\0\0"]
        if programs:
            at = programs[0]
            self._pmt_pid = int.from_bytes(section[at + 2 : at + 4], "big") & 0x1FFF

    def _learn_tracks(self, section: bytes) -> None:
        """Take the first track of each kind of a PMT."""
        found: dict[bool, tuple[int, _Form]] = {}
        unknown: list[int] = []
        for kind, pid, descriptors in _streams(section):
            codec, channels = _CODECS.get(kind), 0
            if kind == _PRIVATE:
                codec, channels = _private(descriptors)
            if codec is None:
                unknown.append(kind)
            else:
                found.setdefault(codec in _VIDEO, (pid, _Form(codec, channels, kind == _LATM)))
        self.unknown = tuple(unknown)
        known = self._tracks
        self._tracks = {}
        for pid, form in found.values():
            track = known.get(pid)
            is_same = track is not None and track.form == form
            self._tracks[pid] = track if track is not None and is_same else _Pid(form)


def checked(section: bytes) -> bytes:
    """Return a table with its CRC behind it (2.4.4.3, annex A)."""
    remainder = crc32(section.translate(_REVERSED)) ^ _CRC_OF_WHOLE
    return section + int(f"{remainder:032b}"[::-1], 2).to_bytes(4, "big")


def _next_packet(data: bytes, offset: int) -> int:
    """Return where a packet may begin, behind `offset`: two in a row, as far as there are."""
    at = data.find(SYNC, offset + 1)
    while at >= 0 and at + PACKET_SIZE < len(data) and data[at + PACKET_SIZE] != SYNC:
        at = data.find(SYNC, at + 1)
    return len(data) if at < 0 else at


def _private(descriptors: list[tuple[int, bytes]]) -> tuple[Codec | None, int]:
    """Return the codec of private data by its descriptors, and the channels of Opus."""
    if (0x05, REGISTRATION) in descriptors:
        codes = [data[1] for tag, data in descriptors if tag == 0x7F and data[:1] == _EXTENSION
                 and len(data) > 1]  # fmt: skip
        channels = channels_of(codes[0]) if codes else 2
        return (Codec.OPUS if channels else None), channels
    tags = (tag for tag, _ in descriptors)
    return next((_PRIVATE_CODECS[tag] for tag in tags if tag in _PRIVATE_CODECS), None), 0


def _streams(section: bytes) -> Iterator[tuple[int, int, list[tuple[int, bytes]]]]:
    """Give type, PID and descriptors of each elementary stream of a PMT."""
    if section[0] != 2:
        return
    offset = 12 + (int.from_bytes(section[10:12], "big") & 0x0FFF)
    end = len(section) - 4
    while offset + 5 <= end:
        kind = section[offset]
        pid = int.from_bytes(section[offset + 1 : offset + 3], "big") & 0x1FFF
        size = int.from_bytes(section[offset + 3 : offset + 5], "big") & 0x0FFF
        descriptors, at = [], offset + 5
        offset = at + size
        while at + 2 <= min(offset, end):
            descriptors.append((section[at], section[at + 2 : at + 2 + section[at + 1]]))
            at += 2 + section[at + 1]
        yield kind, pid, descriptors


def _pes_size(payload: bytes) -> int:
    """Return the size of a whole PES packet; 0: it does not say."""
    size = int.from_bytes(payload[4:6], "big")
    return size + 6 if size else 0


def _unit(track: _Pid, pes: bytes) -> Unit | None:
    """Read the header of a PES packet (2.4.3.6); None: it is none, or has no time."""
    if len(pes) < 14 or not pes.startswith(b"\0\0\1") or not pes[7] & 0x80:
        return None
    pts = _time(pes[9:14])
    dts = _time(pes[14:19]) if pes[7] & 0x40 and len(pes) >= 19 else pts
    key, payload = track.is_random_access, pes[9 + pes[8] :]
    return Unit(track.form.codec, pts, dts, key, payload, *track.form[1:])


def _time(field: bytes) -> int:
    """Read 33 bits among marker bits."""
    return (
        (field[0] >> 1 & 7) << 30
        | field[1] << 22
        | (field[2] >> 1) << 15
        | field[3] << 7
        | field[4] >> 1
    )
