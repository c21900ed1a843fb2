"""Tests of headend.codec.packets."""

import pytest
from tests.hls.media import (
    AVCC,
    AVCC_2,
    audio_header,
    inter,
    key,
    nalu,
    sound,
    video_header,
)
from tests.wire import wire

from headend.codec.package import Container, Packet
from headend.codec.packets import Packets
from headend.codec.times import IS_SHOWN_EARLY
from headend.media.codecs import audio_tag, script_tag, video_tag
from headend.media.headers import Codec
from headend.media.tag import AUDIO, VIDEO, Tag

HVCC = wire(
    "0102200000009000000000003cf000fcfdfafa00000f04"
    "200001001840010c01ffff02200000030090000003000003003c95980921"
    "0001002e42010102200000030090000003000003003ca00a080b9f6d96566924cafff0003000468080000003008000"
    "000c84 22000100074401c172b46240 270001092b4e0105ffffffffffffffff26"
)


class Fed:
    """Packets, and what was reported."""

    def __init__(self, *tags: Tag, container: Container = "fmp4") -> None:
        self.reports: list[str] = []
        self.packets = Packets(container, self.reports.append)
        for tag in tags:
            self.packets.packet(tag)

    def __call__(self, tag: Tag) -> Packet | None:
        return self.packets.packet(tag)


def test_frames_become_packets_with_their_composition_time() -> None:
    fed = Fed(video_header(), audio_header())
    assert {kind: t.config.codec for kind, t in fed.packets.tracks.items()} == {
        VIDEO: Codec.H264,
        AUDIO: Codec.AAC,
    }
    payload = nalu(b"\x65", 1)
    assert fed(video_tag(40, wire("17 01 000050") + payload)) == Packet(
        VIDEO, 40, 120, True, payload
    )
    back = fed(video_tag(80, wire("27 01 fffff6") + payload))
    assert back == Packet(VIDEO, 70, 70, False, payload, False)
    assert fed(sound(90)) == Packet(AUDIO, 90, 90, True, wire("2110045f"))
    assert fed.reports == [IS_SHOWN_EARLY]


def test_enhanced_frames_become_packets_too() -> None:
    fed = Fed(
        video_tag(0, wire("90 68766331") + HVCC),
        audio_tag(0, wire("90 4f707573 4f70757348656164 01 02 3801 80bb0000 0000 00")),
    )
    frame = nalu(b"\x26\x01", 2)
    assert fed(video_tag(40, wire("91 68766331 000050") + frame)) == Packet(
        VIDEO, 40, 120, True, frame
    )
    assert fed(video_tag(80, wire("a3 68766331") + frame)) == Packet(
        VIDEO, 80, 80, False, frame, False
    )
    assert fed(audio_tag(80, wire("91 4f707573 fc"))) == Packet(AUDIO, 80, 80, True, b"\xfc")
    assert fed.reports == []


def test_same_header_again_changes_nothing_and_another_does() -> None:
    fed = Fed(video_header(), video_header())
    assert fed.packets.version == 1
    fed(video_header(AVCC_2))
    assert fed.packets.version == 2
    fed.packets.clear()
    fed.packets.clear()
    assert (fed.packets.version, fed.packets.tracks) == (3, {})


def test_times_do_not_wrap() -> None:
    fed = Fed(video_header())
    times = [fed(inter(time)) for time in (0xFFFFFFD8, 0xFFFFFFF0, 0x10, 0xFFFFFFF8, 0x20)]
    assert [packet.dts - 0xFFFFFFD8 for packet in times if packet] == [0, 24, 56, 57, 80]


@pytest.mark.parametrize(
    "tag",
    [
        script_tag(0, b"\x02\x00\x01a"),
        video_tag(0, wire("57 00")),  # a command
        video_tag(0, wire("17 02 000000")),  # end of sequence
        video_tag(0, wire("17 01 000000")),  # empty
        video_tag(0, wire("96 01 61766331 01 000000 00")),  # track 1 only
        video_tag(0, wire("94 61766331 00")),  # metadata
        audio_tag(0, wire("af 01")),
        audio_tag(0, wire("94 61632d33 0102 00000003")),
        audio_tag(0, wire("95 01 6d703461 01 21")),
        audio_tag(0, wire("90 61632d33")),
        audio_tag(0, wire("90 4f707573")),
        video_tag(0, wire("90 61763031")),
    ],
)
def test_tags_without_a_frame_of_track_0_are_passed_over(tag: Tag) -> None:
    fed = Fed(video_header(), audio_header())
    assert fed(tag) is None
    assert fed.reports == []


@pytest.mark.parametrize(
    ("tags", "report"),
    [
        ([video_tag(0, wire("17 01 000000 00000009 65"))], "h264 comes without a sequence header"),
        (
            [video_header(), video_tag(0, wire("17 01 000000 00000009 65"))],
            "the lengths of NAL units do not fit their frame",
        ),
        ([video_tag(0, wire("17 00 000000 01"))], "avcC holds no SPS"),
        ([video_tag(0, wire("12 00 00"))], "h263 does not go into fmp4"),
        ([audio_tag(0, wire("b2 00"))], "speex does not go into fmp4"),
        ([sound(0)], "aac comes without a sequence header"),
        (
            [video_tag(0, wire("90 76703039 01000000 01 15 87 020202 0000"))],
            "the size of vp9 is not known",
        ),
        ([video_tag(0, wire("90 61763031 81040000"))], "the size of av1 is not known"),
        ([video_tag(0, wire("9f 61766331"))], "packet type"),
    ],
)
def test_damage_is_reported_once(tags: list[Tag], report: str) -> None:
    fed = Fed(*tags, *tags)
    assert len(fed.reports) == 1
    assert report in fed.reports[0]


def test_frame_has_so_many_nal_units_at_most() -> None:
    fed = Fed(video_header())
    most = video_tag(0, wire("17 01 000000") + wire("00000001 65") * 16_384)
    assert fed(most) is not None
    assert fed(most._replace(body=most.body + wire("00000001 65"))) is None
    assert fed(most._replace(body=wire("17 01 000000") + bytes(1 << 24))) is None
    assert fed.reports == ["a frame has more than 16384 NAL units"]


def test_frames_of_a_refused_codec_are_passed_over_until_it_changes() -> None:
    fed = Fed(audio_header(), sound(0))
    fed.packets.refuse(fed.packets.tracks[AUDIO], "no")
    assert fed(sound(100_000)) is None
    assert fed.reports == ["aac is left out: no"]
    assert fed(audio_tag(100_000, wire("2f fffb50c4 00"))) is not None
    fed.packets.refuse(fed.packets.tracks[AUDIO], "no")
    assert fed(audio_tag(100_001, wire("2f fffb50c4 00"))) is None
    fed(audio_header())
    assert fed(sound(100_020)) is not None
    fed.packets.refuse(fed.packets.tracks[AUDIO], "no")
    fed.packets.clear()
    fed(audio_header())
    assert fed(sound(100_040)) is not None


def test_track_without_a_good_packet_is_refused_for_a_minute() -> None:
    fed = Fed(video_header(), audio_header())
    for time in (0, 900, 1800, 3000, 3900, 4800):  # a good one may have come in between
        fed.packets.leave_out(Packet(AUDIO, time, time, True, b"a"), "bad")
    assert AUDIO in fed.packets.tracks
    fed.packets.leave_out(Packet(VIDEO, 5000, 5000, True, b"a"), "bad")
    fed.packets.leave_out(Packet(AUDIO, 5700, 5700, True, b"a"), "bad")
    fed.packets.leave_out(Packet(AUDIO, 6000, 6000, True, b"a"), "bad")
    assert fed.reports == ["bad", "aac is left out: bad"]
    assert set(fed.packets.tracks) == {VIDEO}
    fed.packets.leave_out(Packet(AUDIO, 6001, 6001, True, b"a"), "bad")
    assert fed.packets.left_out == 10
    assert fed(sound(65_999)) is None
    fed(key(66_000))
    assert fed(sound(66_001)) is not None
    assert AUDIO in fed.packets.tracks


def test_picture_in_several_messages_is_one_packet() -> None:
    fed = Fed(video_header())

    def slices(time: int) -> list[Tag]:
        return [
            video_tag(time, wire("17 01 000050 00000002 6788 00000002 68ce")),
            video_tag(time, wire("17 01 000050 00000002 6588")),
            video_tag(time, wire("17 01 000050 00000002 6504")),
        ]

    whole = wire("00000002 6788 00000002 68ce 00000002 6588 00000002 6504")
    assert [packet for tag in slices(0) for packet in fed.packets.take(tag)] == []
    tags = [*slices(40), inter(80)]
    assert [packet for tag in tags for packet in fed.packets.take(tag)] == [
        Packet(VIDEO, 0, 80, True, whole),
        Packet(VIDEO, 40, 120, True, whole),
    ]
    assert [packet.dts for packet in fed.packets.flush()] == [80]
    assert fed.packets.flush() == []
    assert fed.reports == []


def test_piece_that_comes_too_late_is_left_out_and_counted() -> None:
    fed = Fed(video_header())
    for number in range(40):
        fed.packets.take(inter(40 * number))
    late = video_tag(40 * 39, wire("27 01 000000 00000002 4104"))
    assert fed.packets.take(late) == []
    assert (fed.packets.left_out, len(fed.reports)) == (1, 1)


def test_codecs_without_nal_units_are_not_put_together() -> None:
    fed = Fed(video_tag(0, wire("90 61763031 81010c00 0a0c0200000d6627fb3805f00080")))
    frame = video_tag(0, wire("91 61763031 1200"))
    packets = [packet for _ in range(3) for packet in fed.packets.take(frame)]
    assert [packet.dts for packet in packets] == [0, 1, 2]
    assert all(packet.is_independent for packet in packets)
    assert list(fed.packets.take(video_tag(0, b""))) == []
    assert fed(audio_tag(0, b"")) is None


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        ("00000002 6588 00000000", "without a byte"),
        ("00000002 6588 00", "behind the last"),
        ("00000001 6588", "Annex B"),
    ],
)
def test_nal_units_are_mended_and_it_is_said(frame: str, fault: str) -> None:
    fed = Fed(video_header())
    packet = fed(video_tag(0, wire("17 01 000000") + wire(frame)))
    assert packet == Packet(VIDEO, 0, 0, True, wire("00000002 6588"))
    assert len(fed.reports) == 1
    assert fault in fed.reports[0]
    assert fed.packets.left_out == 0


def test_frame_of_nothing_but_empty_units_is_no_packet() -> None:
    fed = Fed(video_header())
    assert fed(video_tag(0, wire("27 01 000000 00000000"))) is None
    assert fed.packets.left_out == 0


@pytest.mark.parametrize(
    ("frame", "is_independent"),
    [("00000002 6588", True), ("00000005 0606010f80 00000002 419a", False), ("00000001 41", False)],
)
def test_only_what_decodes_at_once_is_independent(frame: str, is_independent: bool) -> None:
    fed = Fed(video_header())
    packet = fed(video_tag(0, wire("17 01 000000") + wire(frame)))
    assert packet is not None
    assert (packet.is_keyframe, packet.is_independent) == (True, is_independent)


@pytest.mark.parametrize(
    ("first", "damaged"),
    [
        ("91 61632d33 0b77aebd0c402f84", "91 61632d33 00112233445566"),
        ("91 65632d33 0b7701a07487c000", "91 65632d33 77"),
        ("2f fffb50c4 00", "2f 00fb50c4 00"),
    ],
    ids=["ac-3", "ec-3", "mp3"],
)
def test_sound_that_does_not_begin_like_a_frame_is_left_out(first: str, damaged: str) -> None:
    fed = Fed()
    assert fed(audio_tag(0, wire(first))) is not None
    assert fed(audio_tag(30, wire(damaged))) is None
    assert fed.packets.left_out == 1
    assert "does not begin like one" in fed.reports[0]
    assert fed(audio_tag(60, wire(first))) is not None


def test_what_is_refused_is_said_as_long_as_it_is() -> None:
    fed = Fed(audio_header(), video_tag(0, wire("90 61763031 81040000")))
    assert fed.packets.refusals == ["the size of av1 is not known"]
    assert fed(video_tag(0, wire("91 61763031 1200"))) is None
    assert fed.reports == ["the size of av1 is not known"]
    fed(video_header())
    assert fed.packets.refusals == []
    fed(video_tag(0, wire("17 00 000000 01")))  # damaged, and the track goes on as it was
    assert fed.reports[1:] == ["avcC holds no SPS"]
    assert (fed.packets.refusals, fed.packets.left_out) == ([], 0)


def test_frames_are_counted_that_are_left_out() -> None:
    fed = Fed(video_header(), *[video_tag(0, wire("17 01 000000 00000009 65"))] * 3)
    assert fed.packets.left_out == 3
    assert len(fed.reports) == 1
    assert fed.packets.fault == fed.reports[0]
    assert fed.packets.why_none(2) == fed.reports[0]
    assert fed.packets.why_none(3) is None
    fed(video_tag(0, wire("90 61763031 81040000")))
    assert fed.packets.why_none(2) == "the size of av1 is not known"


def test_reports_are_bounded() -> None:
    fed = Fed()
    for number in range(100):
        fed.packets.report(f"fault {number}")
    assert len(fed.reports) == 32


def test_codec_that_the_container_does_not_take_ends_the_track() -> None:
    fed = Fed(video_header(), container="mpegts")
    fed(video_tag(0, wire("90 61763031 81010c00 0a0c0200000d6627fb3805f00080")))
    assert VIDEO not in fed.packets.tracks
    assert fed.reports == ["av1 does not go into mpegts"]
    fed(video_tag(0, wire("90 61763031 81010c00 0a0c0200000d6627fb3805f00081")))
    assert fed.packets.version == 2


def test_track_without_a_header_is_known_by_its_first_frame() -> None:
    fed = Fed()
    frame = wire("fffb50c4") + bytes(200)
    packet = fed(audio_tag(5, wire("2f") + frame))
    assert packet == Packet(AUDIO, 5, 5, True, frame)
    assert fed.packets.tracks[AUDIO].config.codec is Codec.MP3
    assert fed(audio_tag(31, wire("2f") + frame)) is not None
    assert fed.packets.version == 1


def test_size_of_the_picture_may_stand_in_the_metadata() -> None:
    def metadata(width: str, height: str) -> Tag:
        return script_tag(
            0,
            wire("02 000a 6f6e4d65746144617461 03 0005 7769647468 00")
            + wire(width)
            + wire("0006 686569676874 00")
            + wire(height)
            + wire("000009"),
        )

    av1 = video_tag(0, wire("90 61763031 81040000"))
    fed = Fed(metadata("4084000000000000", "4076800000000000"), av1)  # 640, 360
    assert fed.packets.tracks[VIDEO].config.width == 640
    assert fed.packets.tracks[VIDEO].config.height == 360
    for width in ("0000000000000000", "7ff0000000000000"):
        assert Fed(metadata(width, "4076800000000000"), av1).packets.tracks == {}
    texts = wire("02 000a 6f6e4d65746144617461 03 0005 7769647468 02 0000 000009")
    assert Fed(script_tag(0, texts), av1).packets.tracks == {}
    assert Fed(script_tag(0, wire("03 00")), av1).packets.tracks == {}


def test_adts_headers_are_taken_out_of_aac() -> None:
    fed = Fed(audio_header())
    raw = wire("2110045f")
    with_header = wire("fff1 5040 016f fc") + raw  # 11 bytes
    with_check = wire("fff0 5040 01af fc 0000") + raw  # 13 bytes
    for body in (with_header, with_check):
        packet = fed(audio_tag(0, wire("af 01") + body))
        assert packet is not None
        assert packet.payload == raw
    assert len(fed.reports) == 1
    short = fed(audio_tag(0, wire("af01 fff15040")))
    assert short is not None
    assert short.payload == wire("fff15040")
    other = wire("fff1 5040 0fff fc") + raw  # its size does not fit: no header
    packet = fed(audio_tag(0, wire("af 01") + other))
    assert packet is not None
    assert packet.payload == other


def test_records_name_the_size_of_lengths() -> None:
    short = AVCC[:4] + b"\xfd" + AVCC[5:]  # lengths of two bytes
    fed = Fed(video_header(short))
    assert fed(video_tag(0, wire("17 01 000000 0002 6588"))) is not None
    assert fed(video_tag(40, wire("17 01 000000 0003 6588"))) is None
