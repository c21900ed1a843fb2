"""MPEG-TS taken apart: the tracks of its programs, as whole PES packets, and data beside them.

    bytes ─► packets of 188 ─┬─► tables ─► which PIDs are tracks
                             └─► PES packets of these PIDs ─► units with their times

What is damaged is left out and counted. Nothing that comes raises an error or is kept past a limit.

Source: ISO/IEC 13818-1, 2.4.3 (packets, PES) and 2.12.4 (metadata).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from headend.media.headers import Codec
from headend.media.ts_tables import DataKind, Form, TsTables

PACKET_SIZE: Final = 188
SYNC: Final = 0x47
MAX_UNIT: Final = 8 * 1024 * 1024  # bytes of a PES packet of video: a second of 64 Mbit/s
MAX_SMALL_UNIT: Final = 1024 * 1024  # … of sound or data
CLOCK_HZ: Final = 90_000

_CELL_HEAD: Final = 5  # bytes before a cell of metadata


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
        track: Number among the tracks of its kind; 0 is the stream's first one.
        program: Number of its program, from 0 on; each has a clock of its own.
    """

    codec: Codec
    pts: int
    dts: int
    is_random_access: bool
    payload: bytes
    channels: int = 0
    is_latm: bool = False
    track: int = 0
    program: int = 0


class TimedData(NamedTuple):
    """Data that comes beside picture and sound.

    Attributes:
        kind: What it is.
        pts: When it holds, 33 bits of 90 kHz; None: as it comes.
        payload: SCTE-35: a whole splice_info_section; KLV and ID3: as they are.
        program: Number of its program.
    """

    kind: DataKind
    pts: int | None
    payload: bytes
    program: int = 0


@dataclass(slots=True)
class _Pid:
    """A PID whose PES packets are put together."""

    form: Form
    most: int  # bytes of a whole PES packet at most
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
        packets: Packets seen.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._tables: Final = TsTables()
        self._table_pids = self._tables.pids
        self._tracks: dict[int, _Pid] = {}
        self._damaged = 0
        self.packets = 0

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """Return the codecs of the tracks, once the tables are known."""
        return tuple(form.codec for form in self._tables.forms.values() if form.codec is not None)

    @property
    def unknown(self) -> tuple[int, ...]:
        """Return the types of elementary streams that are not taken."""
        return self._tables.unknown

    @property
    def damaged(self) -> int:
        """Return how many units, tables and stretches of bytes were left out."""
        return self._damaged + self._tables.damaged

    def receive_data(self, data: bytes) -> list[Unit | TimedData]:
        """Take bytes; they need not begin or end where a packet does."""
        if self._rest:
            data = self._rest + data
        units: list[Unit | TimedData] = []
        offset, end = 0, len(data) - PACKET_SIZE
        while offset <= end:
            if data[offset] != SYNC:
                self._damaged += 1
                offset = _next_packet(data, offset)
                continue
            self._packet(data, offset, units)
            offset += PACKET_SIZE
        self._rest = data[offset:]
        return units

    def flush(self) -> list[Unit | TimedData]:
        """Return what is whole although nothing follows: its last packet was filled up."""
        tracks = [each for each in self._tracks.values() if each.is_filled]
        return [unit for track in tracks for unit in self._finished(track)]

    # ------------------------------------------------------------------ packets

    def _packet(self, data: bytes, offset: int, units: list[Unit | TimedData]) -> None:
        # Hot path: once for every 188 bytes.
        self.packets += 1
        second, flags = data[offset + 1], data[offset + 3]
        pid = (second & 0x1F) << 8 | data[offset + 2]
        track = self._tracks.get(pid)
        if track is None and pid not in self._table_pids:
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
            self._table(pid, payload, units, is_first=bool(second & 0x40))
            return
        counter = flags & 0x0F
        if counter == track.counter and not second & 0x40:
            return  # sent twice (2.4.3.3)
        if track.counter >= 0 and counter != (track.counter + 1) & 0x0F and track.pieces:
            self._damaged += 1
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
        elif track.size > track.most:
            self._damaged += 1
            track.clear()

    def _finished(self, track: _Pid) -> Iterator[Unit | TimedData]:
        if not track.pieces:
            return
        pes, wanted = b"".join(track.pieces), track.wanted
        track.clear()
        unit = _unit(track, pes[:wanted] if wanted else pes)
        if unit is None or len(pes) < wanted:
            self._damaged += 1
        else:
            yield unit

    # ------------------------------------------------------------------ tables

    def _table(
        self, pid: int, payload: bytes, units: list[Unit | TimedData], *, is_first: bool
    ) -> None:
        tables = self._tables
        forms = tables.forms
        if splice := tables.receive_payload(pid, payload, is_first=is_first):
            units.append(TimedData(DataKind.SPLICE, None, splice))
        if tables.forms is not forms:
            self._table_pids = tables.pids
            known = self._tracks
            self._tracks = {pid: _kept(known.get(pid), form) for pid, form in tables.forms.items()}


def _kept(track: _Pid | None, form: Form) -> _Pid:
    """Return what has come of a track, if it is the same one."""
    if track is not None and track.form == form:
        return track
    return _Pid(form, MAX_UNIT if form.is_video else MAX_SMALL_UNIT)


def _next_packet(data: bytes, offset: int) -> int:
    """Return where a packet may begin, behind `offset`: two in a row, as far as there are."""
    at = data.find(SYNC, offset + 1)
    while at >= 0 and at + PACKET_SIZE < len(data) and data[at + PACKET_SIZE] != SYNC:
        at = data.find(SYNC, at + 1)
    return len(data) if at < 0 else at


def _pes_size(payload: bytes) -> int:
    """Return the size of a whole PES packet; 0: it does not say."""
    size = int.from_bytes(payload[4:6], "big")
    return size + 6 if size else 0


def _unit(track: _Pid, pes: bytes) -> Unit | TimedData | None:
    """Read the header of a PES packet (2.4.3.6); None: it is none, or has no time."""
    if len(pes) < 9 or not pes.startswith(b"\0\0\1"):
        return None
    form, payload = track.form, pes[9 + pes[8] :]
    has_time = bool(pes[7] & 0x80) and len(pes) >= 14
    if form.codec is None:
        assert form.data is not None
        data = _cells(payload) if form.has_cells else payload
        pts = _time(pes[9:14]) if has_time else None
        return TimedData(form.data, pts, data, form.program) if data else None
    if not has_time:
        return None
    pts = _time(pes[9:14])
    dts = _time(pes[14:19]) if pes[7] & 0x40 and len(pes) >= 19 else pts
    key = track.is_random_access
    return Unit(
        form.codec, pts, dts, key, payload, form.channels, form.is_latm, form.track, form.program
    )


def _cells(payload: bytes) -> bytes:
    """Join what cells of metadata hold."""
    found, at = [], 0
    while at + _CELL_HEAD <= len(payload):
        start = at + _CELL_HEAD
        at = start + int.from_bytes(payload[start - 2 : start], "big")
        found.append(payload[start:at])
    return b"".join(found)


def _time(field: bytes) -> int:
    """Read 33 bits among marker bits."""
    return (
        (field[0] >> 1 & 7) << 30
        | field[1] << 22
        | (field[2] >> 1) << 15
        | field[3] << 7
        | field[4] >> 1
    )
