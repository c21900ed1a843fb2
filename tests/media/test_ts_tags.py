"""Tags of what MPEG-TS holds."""

from base64 import b64encode

import pytest
from tests.ts_packets import AUDIO, PAT, PMT_PID, TABLES, VIDEO, packet, pmt, table

from headend.media.amf0 import parse_values
from headend.media.tag import AUDIO as SOUND
from headend.media.tag import SCRIPT, Tag
from headend.media.tag import VIDEO as PICTURE
from headend.media.ts_tables import checked
from headend.media.ts_tags import TagMaker

SPS = bytes.fromhex("6742c01edd8149bf")
PPS = bytes.fromhex("68ce3c80")
DELIMITER = bytes.fromhex("09f0")
IDR, SLICE = b"\x65\x88idr", b"\x41\x9aslice"
AVCC = bytes.fromhex("01 42c01e ff e1 0008 6742c01edd8149bf 01 0004 68ce3c80".replace(" ", ""))

HEVC_VPS = bytes.fromhex("40010c01ffff016000000300900000030000030078959809")
HEVC_SPS = bytes.fromhex(
    "420101016000000300900000030000030078a003c08010e5965966924caf016a02020208000003000800000300f040"
)
HEVC_PPS = bytes.fromhex("4401c172b46240")


def annex_b(*units: bytes) -> bytes:
    return b"".join(b"\0\0\0\1" + unit for unit in units)


def pes(stream: int, pts: int, payload: bytes, dts: int | None = None) -> bytes:
    def time(prefix: int, value: int) -> bytes:
        high, middle, low = value >> 30 & 7, value >> 15 & 0x7FFF, value & 0x7FFF
        fields = (prefix << 4 | high << 1 | 1, middle << 1 | 1, low << 1 | 1)
        return fields[0].to_bytes(1) + fields[1].to_bytes(2) + fields[2].to_bytes(2)

    times = time(2, pts) if dts is None else time(3, pts) + time(1, dts)
    flags = b"\x80\x80\x05" if dts is None else b"\x80\xc0\x0a"
    size = len(payload) + 3 + len(times) if stream == 0xC0 else 0
    return b"\0\0\1" + bytes((stream,)) + size.to_bytes(2) + flags + times + payload


class Source:
    """Writes units as packets, and gives the tags."""

    def __init__(self, tables: bytes = TABLES) -> None:
        self.maker = TagMaker()
        self.maker.receive_data(tables)
        self._counters = {VIDEO: 0, AUDIO: 0}

    def _send(self, pid: int, data: bytes, field: bytes) -> list[Tag]:
        counter = self._counters[pid]
        self._counters[pid] = (counter + 1) & 15
        return self.maker.receive_data(packet(pid, data, counter, begins=True, field=field))

    def picture(
        self, dts: int, *units: bytes, pts: int | None = None, field: bytes = b""
    ) -> list[Tag]:
        data = pes(0xE0, dts if pts is None else pts, annex_b(*units), dts)
        return self._send(VIDEO, data, field) + self.maker.flush()

    def sound(self, pts: int, data: bytes) -> list[Tag]:
        return self._send(AUDIO, pes(0xC0, pts, data), b"")


def sized(unit: bytes) -> bytes:
    return len(unit).to_bytes(4, "big") + unit


def test_a_keyframe_of_h264_gives_a_sequence_header_and_a_picture_without_what_is_known() -> None:
    assert Source().picture(90_000, DELIMITER, SPS, PPS, IDR) == [
        Tag(PICTURE, 1000, b"\x17\0\0\0\0" + AVCC, False, True),
        Tag(PICTURE, 1000, b"\x17\1\0\0\0" + sized(IDR), True, False),
    ]


def test_the_sequence_header_comes_once_while_it_stays_the_same() -> None:
    source = Source()
    source.picture(0, SPS, PPS, IDR)
    assert source.picture(3600, SPS, PPS, IDR) == [
        Tag(PICTURE, 40, b"\x17\1\0\0\0" + sized(IDR), True, False)
    ]
    other = bytes.fromhex("68ce3c81")
    assert len(source.picture(7200, SPS, other, IDR)) == 2


def test_composition_time_is_what_is_between_the_times() -> None:
    source = Source()
    source.picture(0, SPS, PPS, IDR)
    tags = source.picture(3600, SLICE, pts=3600 + 7200)
    assert tags == [Tag(PICTURE, 40, b"\x27\1\0\0\x50" + sized(SLICE), False, False)]
    assert source.picture(7200, SLICE, pts=0)[0].body[2:5] == (-80).to_bytes(3, "big", signed=True)


def test_pictures_before_the_first_parameter_sets_are_left_out() -> None:
    assert Source().picture(0, SLICE) == []


def test_parameter_sets_alone_are_a_header_without_a_picture() -> None:
    assert [tag.is_sequence_header for tag in Source().picture(0, SPS, PPS)] == [True]


def test_a_recovery_point_with_parameter_sets_is_a_keyframe_if_the_packet_says_so() -> None:
    source = Source()
    assert source.picture(0, SPS, PPS, SLICE, field=b"\x40")[1].is_keyframe
    assert not source.picture(3600, SPS, PPS, SLICE)[0].is_keyframe


def test_an_sps_without_a_pps_and_one_of_no_bytes_are_damage() -> None:
    source = Source()
    assert source.picture(0, SPS, IDR) == []
    assert source.picture(0, b"\x67", IDR) == []
    assert source.maker.damaged == 1


def test_hevc_is_enhanced() -> None:
    source = Source(table(0, PAT) + table(PMT_PID, pmt((0x24, VIDEO, ""))))
    key, other = b"\x26\x01key", b"\x02\x01frame"
    header, picture = source.picture(0, b"\x46\x01\x50", HEVC_VPS, HEVC_SPS, HEVC_PPS, key)
    assert header.body.startswith(b"\x90hvc1\x01\x01\x60\0\0\0\x90\0\0\0\0\0\x78")
    assert header.is_sequence_header
    assert picture == Tag(PICTURE, 0, b"\x91hvc1\0\0\0" + sized(key), True, False)
    assert source.picture(3600, other) == [
        Tag(PICTURE, 40, b"\xa1hvc1\0\0\0" + sized(other), False, False)
    ]


def test_times_go_on_where_33_bits_wrap() -> None:
    source = Source()
    source.picture(2**33 - 3600, SPS, PPS, IDR)
    assert source.picture(0, SLICE)[0].timestamp == 2**33 // 90 & 0xFFFFFFFF


ADTS = bytes.fromhex("fff14c80015ffc") + b"abc"


def test_aac_gives_its_configuration_once_and_frames_without_adts() -> None:
    source = Source()
    assert source.sound(90_000, ADTS * 2) == [
        Tag(SOUND, 1000, b"\xaf\0\x11\x90", False, True),
        Tag(SOUND, 1000, b"\xaf\1abc", False, False),
        Tag(SOUND, 1021, b"\xaf\1abc", False, False),
    ]


def test_adts_with_a_checksum_is_two_bytes_longer() -> None:
    frame = bytes.fromhex("fff04c80019ffc") + b"\0\0abc"
    assert Source().sound(0, frame)[1].body == b"\xaf\1abc"


@pytest.mark.parametrize(
    ("kind", "frame", "head"),
    [
        (0x03, bytes.fromhex("fff38084") + bytes(204), b"\x2b"),
        (0x03, bytes.fromhex("fff380c4") + bytes(204), b"\x2a"),
        (0x81, bytes.fromhex("0b77000000") + bytes(123), b"\x91ac-3"),
        (0x87, bytes.fromhex("0b77003f34") + bytes(123), b"\x91ec-3"),
    ],
    ids=["mp3 stereo", "mp3 mono", "ac-3", "e-ac-3"],
)
def test_other_sound_goes_as_it_is(kind: int, frame: bytes, head: bytes) -> None:
    source = Source(table(0, PAT) + table(PMT_PID, pmt((kind, AUDIO, ""))))
    pieces = [frame[:80], frame[80:]]
    tags = source.sound(0, pieces[0]) + source.sound(900, pieces[1])
    assert tags == [Tag(SOUND, 0, head + frame, False, False)]


def test_noise_in_sound_is_counted() -> None:
    source = Source()
    source.sound(0, b"noise!!" + ADTS)
    assert source.maker.damaged == 1


def opus_source(descriptors: str) -> Source:
    tables = table(0, PAT) + table(PMT_PID, pmt((0x06, AUDIO, descriptors)))
    return Source(tables)


def test_opus_has_its_head_once_and_each_packet_its_time() -> None:
    source = opus_source("05044f707573 7f028002")
    two = b"\x7f\xe0\x02\xf8a\x7f\xe0\x02\xf8b"
    head, first, second = source.sound(90_000, two)
    assert (head.kind, head.timestamp) == (SOUND, 1000)
    assert head.is_sequence_header
    assert head.body == b"\x90OpusOpusHead\1\2\x38\1\x80\xbb\0\0\0\0\0"
    assert [(tag.timestamp, tag.body) for tag in (first, second)] == [
        (1000, b"\x91Opus\xf8a"),
        (1020, b"\x91Opus\xf8b"),
    ]
    (third,) = source.sound(93_600, b"\x7f\xe0\x02\xf8c")
    assert (third.timestamp, third.body) == (1040, b"\x91Opus\xf8c")


@pytest.mark.parametrize(
    ("descriptors", "channels"),
    [("05044f707573", 2), ("05044f707573 7f028001", 1), ("05044f707573 7f0180", 2),
     ("05044f707573 7f028100", 2), ("05044f707573 7f028006", 6)],
)  # fmt: skip
def test_opus_has_the_channels_that_its_descriptor_names(descriptors: str, channels: int) -> None:
    head, _ = opus_source(descriptors).sound(0, b"\x7f\xe0\x01\xf8")
    assert head.body[14] == channels


def test_opus_of_a_layout_that_is_not_known_is_left_out() -> None:
    source = opus_source("05044f707573 7f0280ff")
    assert source.maker.demuxer.unknown == (0x06,)


def test_latm_gives_the_tags_of_aac() -> None:
    source = Source(table(0, PAT) + table(PMT_PID, pmt((0x11, AUDIO, ""))))
    anew, same = bytes.fromhex("56e009200011901fe0130b10"), bytes.fromhex("56e0048130b100")
    found = source.sound(90_000, anew + same)
    assert [(tag.timestamp, tag.body) for tag in found] == [
        (1000, b"\xaf\0\x11\x90"),
        (1000, b"\xaf\1ab"),
        (1021, b"\xaf\1ab"),
    ]
    assert source.maker.damaged == 0


def test_a_pmt_that_changes_the_form_of_a_track_begins_it_anew() -> None:
    source = Source(table(0, PAT) + table(PMT_PID, pmt((0x11, AUDIO, ""))))
    source.sound(0, bytes.fromhex("56e009200011901fe0130b10"))
    source.maker.receive_data(table(PMT_PID, pmt((0x06, AUDIO, "05044f707573"))))
    head, _ = source.sound(1800, b"\x7f\xe0\x01\xf8")
    assert head.body.startswith(b"\x90OpusOpusHead")


# ------------------------------------------------------------------ tracks, programs and data

ADTS_HEAD = bytes.fromhex("fff1508001 3ffc".replace(" ", ""))  # 44.1 kHz, stereo, 9 bytes


def aac(text: bytes) -> bytes:
    size = len(text) + 7
    return (
        ADTS_HEAD[:3]
        + bytes((ADTS_HEAD[3] | size >> 11, size >> 3 & 255, (size & 7) << 5 | 0x1F, 0xFC))
        + text
    )


def several(*streams: tuple[int, int, str]) -> TagMaker:
    maker = TagMaker()
    maker.receive_data(table(0, PAT) + table(PMT_PID, pmt(*streams)))
    return maker


def test_second_sound_is_a_track_of_its_own() -> None:
    maker = several((0x0F, AUDIO, ""), (0x0F, 0x102, ""))
    first, second = pes(0xC0, 90_000, aac(b"ab")), pes(0xC0, 90_000, aac(b"cd"))
    tags = maker.receive_data(
        packet(AUDIO, first, begins=True) + packet(0x102, second, begins=True)
    )
    assert tags == [
        Tag(SOUND, 1000, b"\xaf\0\x12\x10", False, True),
        Tag(SOUND, 1000, b"\xaf\1ab", False, False),
        Tag(SOUND, 1000, b"\x95\0mp4a\1\x12\x10", False, True),
        Tag(SOUND, 1000, b"\x95\1mp4a\1cd", False, False),
    ]
    assert maker.damaged == 0


def test_second_picture_is_a_track_without_keyframes_of_the_stream() -> None:
    maker = several((0x1B, VIDEO, ""), (0x1B, 0x102, ""))
    data = pes(0xE0, 90_000, annex_b(SPS, PPS, IDR), 90_000)
    maker.receive_data(packet(0x102, data, begins=True))
    assert maker.flush() == [
        Tag(PICTURE, 1000, b"\x96\0avc1\1" + AVCC, False, True),
        Tag(PICTURE, 1000, b"\x96\1avc1\1\0\0\0" + sized(IDR), False, False),
    ]


TWO_PROGRAMS = checked(bytes.fromhex("00b0110001c100000001f0000002f001"))


def two_programs() -> TagMaker:
    maker = TagMaker()
    maker.receive_data(
        table(0, TWO_PROGRAMS)
        + table(PMT_PID, pmt((0x0F, AUDIO, "")))
        + table(0x1001, pmt((0x0F, 0x201, "")))
    )
    return maker


@pytest.mark.parametrize(
    ("begins", "expected"),
    [(0, [2000, 1040]), (9 * 90_000, [2000, 10_040]), (1 << 32, [2000, 2040])],
    ids=["one clock", "one clock, ahead", "a clock of its own"],
)
def test_another_program_is_on_the_one_timeline(begins: int, expected: list[int]) -> None:
    maker = two_programs()

    def sent(pid: int, pts: int, counter: int) -> list[int]:
        data = packet(pid, pes(0xC0, pts, aac(b"ab")), counter, begins=True)
        return [tag.timestamp for tag in maker.receive_data(data)][-1:]

    assert sent(0x201, begins + 90_000, 0) == []  # the stream has not begun
    assert sent(AUDIO, 2 * 90_000, 0) == expected[:1]
    sent(0x201, begins + 90_000, 1)
    assert sent(0x201, begins + 90_000 + 3600, 2) == expected[1:]


def test_data_becomes_messages() -> None:
    maker = several((0x0F, AUDIO, ""), (0x86, 0x1F0, ""), (0x06, 0x1F1, "05044b4c5641"))
    splice = checked(bytes.fromhex("fc301600000000000000fff00506fe000000000000"))
    assert maker.receive_data(table(0x1F0, splice)) == []  # at no time yet
    maker.receive_data(packet(AUDIO, pes(0xC0, 90_000, aac(b"ab")), begins=True))
    (cue,) = maker.receive_data(table(0x1F0, splice))
    assert (cue.kind, cue.timestamp) == (SCRIPT, 1000)
    assert parse_values(cue.body) == [
        "onCuePoint",
        {
            "name": "scte-35",
            "type": "event",
            "time": 1.0,
            "parameters": {"data": b64encode(splice).decode()},
        },
    ]
    klv = b"\0\0\1\xbd\0\x0b" + pes(0xC0, 180_000, b"klv")[6:]
    (tag,) = maker.receive_data(packet(0x1F1, klv, begins=True))
    assert (tag.kind, tag.timestamp) == (SCRIPT, 2000)
    assert parse_values(tag.body) == ["onKLV", {"data": b64encode(b"klv").decode()}]
