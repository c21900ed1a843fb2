"""MPEG-TS taken apart: tables, PES packets, and what is damaged."""

import pytest
from tests.ts_packets import AUDIO, PAT, PMT, PMT_PID, TABLES, VIDEO, packet, pmt, table

from headend.media.headers import Codec
from headend.media.mpegts import MAX_SMALL_UNIT, MAX_UNIT, TimedData, TsDemuxer, Unit
from headend.media.ts_tables import MAX_SOUNDS, MAX_VIDEO, DataKind, checked

# PTS 90000 (1 s), and DTS 45000 behind it in the second.
PES_PTS = bytes.fromhex("000001e00000808005 210005bf21".replace(" ", ""))
PES_BOTH = bytes.fromhex("000001e0000080c00a 310005bf21 1100035f91".replace(" ", ""))
SOUND = bytes.fromhex("000001c0000b808005 210005bf21".replace(" ", "")) + b"abc"


def given(*packets: bytes) -> tuple[list[Unit | TimedData], TsDemuxer]:
    demuxer = TsDemuxer()
    return [unit for each in packets for unit in demuxer.receive_data(each)], demuxer


def units(*packets: bytes) -> tuple[list[Unit], TsDemuxer]:
    found, demuxer = given(*packets)
    return [unit for unit in found if isinstance(unit, Unit)], demuxer


def test_tables_of_ffmpeg_name_two_tracks() -> None:
    _, demuxer = units(TABLES)
    assert demuxer.codecs == (Codec.H264, Codec.AAC)
    assert demuxer.damaged == 0


def test_a_crc_is_that_of_ffmpeg() -> None:
    assert checked(PAT[:-4]) == PAT
    assert checked(PMT[:-4]) == PMT


def test_a_picture_is_whole_when_the_next_one_begins() -> None:
    first = packet(VIDEO, PES_PTS + b"picture", begins=True, field=b"\x40")
    found, _ = units(TABLES, first, packet(VIDEO, PES_PTS + b"next", 1, begins=True))
    assert found == [Unit(Codec.H264, 90000, 90000, True, b"picture")]


def test_decoding_time_is_read_where_there_is_one() -> None:
    found, _ = units(TABLES, packet(VIDEO, PES_BOTH + b"x", begins=True))
    assert not found
    demuxer = units(TABLES, packet(VIDEO, PES_BOTH + b"x", begins=True))[1]
    assert demuxer.flush() == [Unit(Codec.H264, 90000, 45000, False, b"x")]


def test_sound_is_whole_by_its_length_at_once() -> None:
    found, _ = units(TABLES, packet(AUDIO, SOUND, begins=True))
    assert found == [Unit(Codec.AAC, 90000, 90000, False, b"abc")]


def test_bytes_behind_the_length_are_left_out() -> None:
    found, _ = units(TABLES, packet(AUDIO, SOUND + b"behind", begins=True))
    assert [unit.payload for unit in found] == [b"abc"]


def test_bytes_may_be_cut_anywhere() -> None:
    data = TABLES + packet(AUDIO, SOUND, begins=True)
    found, demuxer = units(*(data[at : at + 1] for at in range(len(data))))
    assert [unit.payload for unit in found] == [b"abc"]
    assert demuxer.damaged == 0


def test_what_goes_on_in_several_packets_is_joined() -> None:
    start = packet(VIDEO, PES_PTS.ljust(184, b"a"), begins=True)
    demuxer = units(TABLES, start, packet(VIDEO, b"b" * 184, 1), packet(VIDEO, b"c", 2))[1]
    assert demuxer.flush()[0].payload == b"a" * 170 + b"b" * 184 + b"c"


def test_a_picture_without_filling_at_the_end_may_be_cut_and_is_not_given() -> None:
    demuxer = units(TABLES, packet(VIDEO, PES_PTS.ljust(184, b"a"), begins=True))[1]
    assert demuxer.flush() == []


def test_a_packet_sent_twice_counts_once() -> None:
    start = packet(VIDEO, PES_PTS.ljust(184, b"a"), begins=True)
    more = packet(VIDEO, b"b", 1)
    demuxer = units(TABLES, start, more, more)[1]
    assert demuxer.flush()[0].payload == b"a" * 170 + b"b"


def test_a_picture_with_a_hole_is_left_out_and_the_next_one_is_given() -> None:
    start = packet(VIDEO, PES_PTS.ljust(184, b"a"), begins=True)
    following = packet(VIDEO, PES_PTS + b"next", 6, begins=True)
    lost = packet(VIDEO, b"c" * 184, 5)
    found, demuxer = units(TABLES, start, packet(VIDEO, b"b" * 184, 3), lost, following)
    assert not found
    assert demuxer.damaged == 1
    assert demuxer.flush()[0].payload == b"next"


def test_sound_shorter_than_its_length_is_left_out() -> None:
    short = bytes.fromhex("000001c000ff808005210005bf21") + b"abc"
    following = packet(AUDIO, SOUND, 1, begins=True)
    found, demuxer = units(TABLES, packet(AUDIO, short, begins=True), following)
    assert [unit.payload for unit in found] == [b"abc"]
    assert demuxer.damaged == 1


@pytest.mark.parametrize(
    "pes",
    [b"\0\0\2" + bytes(20), PES_PTS[:7] + b"\0\0" + bytes(8), b"\0\0\1\xe0"],
    ids=["no start code", "no time", "cut short"],
)
def test_what_is_no_pes_packet_is_left_out(pes: bytes) -> None:
    demuxer = units(TABLES, packet(VIDEO, pes, begins=True))[1]
    assert demuxer.flush() == []
    assert demuxer.damaged == 1


def test_a_pes_packet_that_never_ends_is_dropped_at_its_limit() -> None:
    start = packet(VIDEO, PES_PTS.ljust(184, b"a"), begins=True)
    count = MAX_UNIT // 184 + 1
    rest = b"".join(packet(VIDEO, b"b" * 184, number & 15) for number in range(1, count + 1))
    demuxer = units(TABLES, start, rest)[1]
    assert demuxer.damaged == 1
    assert demuxer.flush() == []


def test_garbage_is_skipped_up_to_the_next_packets() -> None:
    noise = b"noise\x47noise"
    found, demuxer = units(noise + TABLES + packet(AUDIO, SOUND, begins=True))
    assert [unit.payload for unit in found] == [b"abc"]
    assert demuxer.damaged == 1


def test_garbage_without_a_packet_is_not_kept() -> None:
    found, demuxer = units(*[bytes(1000)] * 5)
    assert (found, demuxer.packets) == ([], 0)
    assert demuxer.damaged == 5


def test_a_sync_byte_near_the_end_may_begin_a_packet() -> None:
    data = TABLES + packet(AUDIO, SOUND, begins=True)
    found, _ = units(bytes(188) + data[:100], data[100:])
    assert [unit.payload for unit in found] == [b"abc"]


def test_packets_without_payload_scrambled_or_of_other_pids_say_nothing() -> None:
    bare = bytes((0x47, 0x01, 0x00, 0x20, 183)) + bytes(183)
    scrambled = bytearray(packet(VIDEO, PES_PTS, begins=True))
    scrambled[1] |= 0x80
    empty = bytes((0x47, 0x01, 0x00, 0x30, 183)) + bytes(183)
    none = bytes((0x47, 0x01, 0x00, 0x30, 0)) + b"b" * 183
    _, demuxer = units(TABLES, bare, bytes(scrambled), empty, none, packet(0x1FFF, b""))
    assert (demuxer.flush(), demuxer.damaged) == ([], 0)


# ------------------------------------------------------------------ tracks, programs and data


def sound(text: bytes, counter: int = 0, *, pid: int = AUDIO) -> bytes:
    size = (len(text) + 8).to_bytes(2, "big")
    return packet(pid, SOUND[:4] + size + SOUND[6:-3] + text, counter, begins=True)


def test_tracks_of_a_kind_are_numbered_as_the_table_names_them() -> None:
    tables = pmt((0x0F, AUDIO, ""), (0x1B, VIDEO, ""), (0x81, 0x102, ""), (0x0F, 0x103, ""))
    found, demuxer = units(
        table(0, PAT),
        table(PMT_PID, tables),
        *(sound(b"%x" % pid, pid=pid) for pid in (0x103, 0x102, AUDIO)),
    )
    assert [(unit.codec, unit.track, unit.payload) for unit in found] == [
        (Codec.AAC, 2, b"103"),
        (Codec.AC3, 1, b"102"),
        (Codec.AAC, 0, b"101"),
    ]
    assert demuxer.codecs == (Codec.AAC, Codec.H264, Codec.AC3, Codec.AAC)


OTHER_PMT = 0x1001
TWO_PROGRAMS = checked(bytes.fromhex("00b0110001c100000001f0000002f001"))


def test_another_program_has_numbers_behind_those_of_the_first() -> None:
    other = pmt((0x1B, 0x200, ""), (0x0F, 0x201, ""), (0x0F, AUDIO, ""))
    second = sound(b"second", pid=0x201)
    found, _ = units(
        table(0, TWO_PROGRAMS),
        table(OTHER_PMT, other),
        second,  # its numbers are not known before those of the first program
        table(PMT_PID, pmt((0x1B, VIDEO, ""))),
        second,
        sound(b"shared"),
    )
    assert [(unit.track, unit.program, unit.payload) for unit in found] == [
        (1, 1, b"second"),
        (2, 1, b"shared"),
    ]


def test_a_program_that_leaves_takes_its_tracks_along() -> None:
    other = table(OTHER_PMT, pmt((0x0F, 0x201, "")))
    _, demuxer = units(table(0, TWO_PROGRAMS), table(PMT_PID, PMT), other)
    assert demuxer.codecs == (Codec.H264, Codec.AAC, Codec.AAC)
    demuxer.receive_data(table(0, PAT))
    assert len(demuxer.codecs) == 2


def test_no_more_tracks_are_taken_than_the_limits_allow() -> None:
    sounds = [(0x0F, 0x200 + number, "") for number in range(MAX_SOUNDS + 2)]
    pictures = [(0x1B, 0x300 + number, "") for number in range(MAX_VIDEO + 1)]
    _, demuxer = units(table(0, PAT), *sections(PMT_PID, pmt(*sounds, *pictures)))
    assert demuxer.codecs == (Codec.AAC,) * MAX_SOUNDS + (Codec.H264,) * MAX_VIDEO
    assert demuxer.unknown == (0x0F, 0x0F, 0x1B)


def sections(pid: int, section: bytes) -> list[bytes]:
    data = b"\0" + section
    pieces = [data[at : at + 184].ljust(184, b"\xff") for at in range(0, len(data), 184)]
    return [packet(pid, each, at & 15, begins=not at) for at, each in enumerate(pieces)]


def test_sound_that_never_ends_is_dropped_at_its_limit() -> None:
    endless = SOUND[:4] + b"\0\0" + SOUND[6:]
    count = MAX_SMALL_UNIT // 184 + 1
    rest = b"".join(packet(AUDIO, b"b" * 184, number & 15) for number in range(1, count + 1))
    start = packet(AUDIO, endless.ljust(184, b"a"), begins=True)
    demuxer = units(TABLES, start, rest)[1]
    assert demuxer.damaged == 1
    assert demuxer.flush() == []


SPLICE = checked(bytes.fromhex("fc301600000000000000fff00506fe000000000000"))


def test_splice_information_is_given_as_a_whole_table() -> None:
    tables = table(PMT_PID, pmt((0x1B, VIDEO, ""), (0x86, 0x1F0, "")))
    found, demuxer = given(table(0, PAT), tables, table(0x1F0, SPLICE), table(0x1F0, SPLICE))
    assert found == 2 * [TimedData(DataKind.SPLICE, None, SPLICE)]
    assert (demuxer.unknown, demuxer.damaged) == ((), 0)


def test_splice_information_may_be_long_and_is_left_out_if_damaged_or_of_another_table() -> None:
    long = checked(b"\xfc\x37\xd4" + bytes(2000))
    tables = table(PMT_PID, pmt((0x86, 0x1F0, "")))
    found, demuxer = given(
        table(0, PAT),
        tables,
        *sections(0x1F0, long),
        table(0x1F0, SPLICE[:-1] + b"\0"),
        table(0x1F0, checked(b"\xfd" + SPLICE[1:-4])),
    )
    assert found == [TimedData(DataKind.SPLICE, None, long)]
    assert demuxer.damaged == 1


DATA_PES = bytes.fromhex("000001bd000b808005210005bf21") + b"klv"


@pytest.mark.parametrize(
    ("kind", "descriptors", "pes", "expected"),
    [
        (0x06, "05044b4c5641", DATA_PES, (DataKind.KLV, 90000, b"klv")),
        (0x06, "05044b4c5641", b"\0\0\1\xbd\0\x06\x80\0\0klv", (DataKind.KLV, None, b"klv")),
        (
            0x15,
            "2609 0100 ff 4b4c5641 00 0f",
            b"\0\0\1\xfc\0\x12\x80\x80\5!\0\5\xbf!" + b"\0\0\xdf\0\2kl\0\1\xdf\0\1v"[:13],
            (DataKind.KLV, 90000, b"klv"),
        ),
        (
            0x15,
            "05044944 3320",
            b"\0\0\1\xbd\0\x10\x80\x80\5!\0\5\xbf!\0\0\xdf\0\3ID3",
            (DataKind.ID3, 90000, b"ID3"),
        ),
    ],
    ids=["private", "private, without a time", "metadata in two cells", "ID3"],
)
def test_data_is_given_with_its_time(
    kind: int, descriptors: str, pes: bytes, expected: tuple[DataKind, int | None, bytes]
) -> None:
    tables = table(PMT_PID, pmt((0x1B, VIDEO, ""), (kind, 0x1F1, descriptors.replace(" ", ""))))
    size = (len(pes) - 6).to_bytes(2, "big")
    found, demuxer = given(
        table(0, PAT), tables, packet(0x1F1, pes[:4] + size + pes[6:], begins=True)
    )
    assert found == [TimedData(*expected)]
    assert demuxer.codecs == (Codec.H264,)


def test_data_without_a_byte_is_left_out() -> None:
    tables = table(PMT_PID, pmt((0x06, 0x1F1, "05044b4c5641")))
    empty = packet(0x1F1, b"\0\0\1\xbd\0\3\x80\0\0", begins=True)
    found, demuxer = given(table(0, PAT), tables, empty)
    assert (found, demuxer.damaged) == ([], 1)


# ------------------------------------------------------------------ tables


def test_a_table_in_two_packets_is_put_together() -> None:
    long = bytearray(PMT[:-4])
    padding = b"\x05\xb4" + bytes(180)  # a descriptor of the program
    long[10:12] = (0xF000 | len(padding)).to_bytes(2, "big")
    long[12:12] = padding
    long[1:3] = (0xB000 | len(long) + 4 - 3).to_bytes(2, "big")
    section = b"\0" + checked(bytes(long))
    rest = section[184:].ljust(184, b"\xff")
    first = packet(PMT_PID, section[:184], begins=True)
    _, demuxer = units(table(0, PAT), first, packet(PMT_PID, rest, 1))
    assert demuxer.codecs == (Codec.H264, Codec.AAC)


def test_a_table_that_begins_nowhere_is_ignored() -> None:
    _, demuxer = units(table(0, PAT), packet(PMT_PID, PMT.ljust(184, b"\xff"), 1))
    assert (demuxer.codecs, demuxer.damaged) == ((), 0)


@pytest.mark.parametrize(
    "section",
    [PAT[:-1] + b"\0", b"\0\xb0\x03abc", b"\0\xbf\xff".ljust(183, b"a")],
    ids=["wrong CRC", "too short", "too long"],
)
def test_a_damaged_table_is_left_out(section: bytes) -> None:
    _, demuxer = units(table(0, section))
    assert demuxer.damaged == 1


def test_a_pat_without_a_program_names_none() -> None:
    network = checked(bytes.fromhex("00b00d0001c1000000000010"))
    _, demuxer = units(table(0, network), table(PMT_PID, PMT))
    assert demuxer.codecs == ()


def test_tables_of_other_kinds_at_these_pids_say_nothing() -> None:
    other = checked(bytes.fromhex("42b00d0001c100000001f000"))
    _, demuxer = units(table(0, other), table(0, PAT), table(PMT_PID, checked(b"\x40" + PMT[1:-4])))
    assert (demuxer.codecs, demuxer.damaged) == ((), 0)


def test_all_tracks_are_taken_and_unknown_types_are_named() -> None:
    tables = pmt(
        (0x15, 0x90, ""),
        (0x02, 0x91, ""),
        (0x24, 0x100, ""),
        (0x1B, 0x101, ""),
        (0x06, 0x102, "0a04656e6700 6a0100".replace(" ", "")),
        (0x06, 0x103, "050441563031"),
        (0x0F, 0x104, ""),
    )
    _, demuxer = units(table(0, PAT), table(PMT_PID, tables))
    assert demuxer.codecs == (Codec.HEVC, Codec.H264, Codec.AC3, Codec.AAC)
    assert demuxer.unknown == (0x15, 0x02, 0x06)


def test_a_changed_pmt_keeps_what_has_come_of_a_track_that_stays() -> None:
    start = packet(VIDEO, PES_PTS + b"picture", begins=True)
    other = pmt((0x1B, VIDEO, ""), (0x81, AUDIO, ""))
    demuxer = units(TABLES, start, table(PMT_PID, other), table(PMT_PID, other))[1]
    assert demuxer.codecs == (Codec.H264, Codec.AC3)
    assert [unit.payload for unit in demuxer.flush()] == [b"picture"]
