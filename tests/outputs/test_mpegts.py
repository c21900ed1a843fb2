"""A stream as MPEG-TS."""

from hypothesis import given
from hypothesis import strategies as st

from headend.media.headers import Codec
from headend.media.mpegts import TsDemuxer
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag
from headend.media.ts_tags import TagMaker
from headend.outputs.mpegts import TsEncoder, carries

SPS = bytes.fromhex("6742c01edd8149bf")
PPS = bytes.fromhex("68ce3c80")
AVCC = bytes.fromhex("0142c01effe1000867") + SPS[1:] + bytes.fromhex("01000468ce3c80")
HEVC_UNITS = (
    bytes.fromhex("40010c01ffff016000000300900000030000030078959809"),
    bytes.fromhex(
        "420101016000000300900000030000030078a003c08010e5965966924caf016a0202020800000300080000"
        "0300f040"
    ),
    bytes.fromhex("4401c172b46240"),
)
IDR, SLICE = b"\x65\x88idr", b"\x41\x9aslice"


def sized(*units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def video(time: int, body: bytes, *, key: bool = False, header: bool = False) -> Tag:
    return Tag(VIDEO, time, body, key, header)


def audio(time: int, body: bytes, *, header: bool = False) -> Tag:
    return Tag(AUDIO, time, body, False, header)


HEADER = video(0, b"\x17\0\0\0\0" + AVCC, header=True)
ASC = audio(0, b"\xaf\0\x11\x90", header=True)


def key(time: int) -> Tag:
    return video(time, b"\x17\1\0\0\0" + sized(IDR), key=True)


def encoded(*tags: Tag, encoder: TsEncoder | None = None) -> bytes:
    pieces: list[bytes] = []
    for tag in tags:
        (encoder or (encoder := TsEncoder())).append(pieces, tag, tag.timestamp)
    assert all(len(piece) % 188 == 0 for piece in pieces)
    return b"".join(pieces)


def decoded(data: bytes) -> list[Tag]:
    maker = TagMaker()
    tags = maker.receive_data(data) + maker.flush()
    assert maker.damaged == 0
    return tags


def test_tables_are_those_of_the_standard() -> None:
    data = encoded(HEADER, key(0))
    assert data[:21] == bytes.fromhex("47400010 00 00b00d0001c100000001f000 2ab104b2")
    assert data[188:214].hex() == (
        "47500010" + "00" + "02b0120001c10000e100f000" + "1be100f000" + "15bd4d56"
    )


def test_a_picture_has_the_clock_200_ms_before_its_decoding_time() -> None:
    packet = encoded(HEADER, key(1000))[376:]
    assert packet[:4] == bytes.fromhex("47410030")
    assert packet[5] == 0x50  # random access and a clock
    assert int.from_bytes(packet[6:12], "big") >> 15 == 800 * 90


def test_pictures_and_sound_come_out_as_they_went_in() -> None:
    frames = [
        HEADER,
        key(0),
        ASC._replace(timestamp=5),
        audio(5, b"\xaf\1abc"),
        video(40, b"\x27\1\0\0\x50" + sized(SLICE)),
        audio(26, b"\xaf\1" + bytes(500)),
        key(80),
        audio(47, b"\xaf\1de"),
        video(120, b"\x27\1\0\0\0" + sized(SLICE * 100)),
    ]
    data = encoded(ASC, audio(0, b"\xaf\1first"), *frames)
    assert sorted(decoded(data)) == sorted(frame for frame in frames)


def test_hevc_comes_out_as_it_went_in() -> None:
    from headend.media.hevc import hvcc_of

    unit = b"\x26\x01key"
    tags = [
        video(0, b"\x90hvc1" + hvcc_of(HEVC_UNITS), header=True),
        video(0, b"\x91hvc1\0\0\0" + sized(unit), key=True),
    ]
    assert decoded(encoded(*tags)) == tags


def test_headers_of_before_are_known() -> None:
    encoder = TsEncoder()
    encoder.learn((HEADER,))
    assert decoded(encoded(key(0), encoder=encoder)) == [HEADER, key(0)]


def test_a_keyframe_with_its_own_parameter_sets_has_them_once_and_one_delimiter() -> None:
    body = b"\x17\1\0\0\0" + sized(b"\x09\xf0", SPS, PPS, IDR)
    data = encoded(HEADER, video(0, body, key=True))
    assert data.count(SPS) == 1
    assert data.count(b"\x09\xf0") == 1


def test_sound_alone_has_tables_twice_a_second_and_the_clock() -> None:
    frames = [audio(time, b"\xaf\1abc") for time in range(1000, 2200, 20)]
    data = encoded(ASC, *frames)
    assert decoded(data)[1:] == frames
    assert sum(data[at : at + 3] == b"\x47\x40\0" for at in range(0, len(data), 188)) == 3


def test_dolby_and_mp3_have_their_types() -> None:
    frames = {
        Codec.AC3: b"\x91ac-3" + bytes.fromhex("0b77000000") + bytes(123),
        Codec.EAC3: b"\x91ec-3" + bytes.fromhex("0b77003f34") + bytes(123),
        Codec.MP3: b"\x2b" + bytes.fromhex("fff38084") + bytes(204),
    }
    for codec, body in frames.items():
        demuxer = TsDemuxer()
        data = encoded(audio(1000, body))
        demuxer.receive_data(data)
        assert demuxer.codecs == (codec,)
        assert decoded(data) == [audio(1000, body)]


def test_a_frame_over_64_kib_has_no_length() -> None:
    demuxer = TsDemuxer()
    data = encoded(audio(1000, b"\x91ac-3" + bytes(70_000)))
    assert [unit.payload for unit in demuxer.receive_data(data) + demuxer.flush()] == [
        bytes(70_000)
    ]


def test_what_mpegts_does_not_hold_is_left_out() -> None:
    av1 = video(0, b"\x90av01" + bytes(10), header=True)
    flac = audio(0, b"\x91fLaCabc")
    head = audio(0, b"\x90fLaCfLaC", header=True)
    script = Tag(SCRIPT, 0, b"data", False, False)
    command = video(0, b"\x57\0")
    nothing = video(0, b"\x17\1\0\0\0", key=True)
    other = video(0, b"\x96hvc1\0\0\1\x40" + bytes(8))
    end = video(0, b"\x17\2\0\0\0", header=True)
    second = audio(0, b"\x95\x01mp4a\x01abc")
    assert (
        encoded(av1, head, flac, script, command, key(0), HEADER, nothing, other, end, second)
        == b""
    )
    assert (
        encoded(audio(0, b"\xaf\1abc"), audio(0, b"\x90\0"), audio(0, b"\x90mp4a", header=True))
        == b""
    )


def test_damage_is_left_out() -> None:
    broken = video(0, b"\x17\1\0\0\0" + b"\0\0\0\x09ab", key=True)
    assert encoded(HEADER, broken, video(0, b"\x17"), audio(0, b"\xaf")) == b""
    assert encoded(video(0, b"\x90hvc1short", header=True)) == b""


def test_aac_that_adts_cannot_say_is_left_out() -> None:
    rate_in_full = audio(0, b"\xaf\0\x17\x80\x5d\xc0", header=True)
    assert encoded(rate_in_full, audio(1000, b"\xaf\1abc")) == b""


def test_aac_with_sbr_is_named_by_what_lies_below() -> None:
    sbr = audio(0, b"\xaf\0\x2b\x92\x08\x00", header=True)  # HE-AAC: 22.05 kHz below 44.1 kHz, LC
    tags = decoded(encoded(sbr, audio(1000, b"\xaf\1abc")))
    assert tags[0].body == b"\xaf\0\x13\x90"


def test_nothing_is_said_between_media() -> None:
    encoder = TsEncoder()
    assert encoder.interrupted() + encoder.resumed() + encoder.ended() == b""


@given(st.lists(st.integers(1, 600), min_size=1, max_size=20))
def test_frames_of_any_size_come_out_as_they_went_in(sizes: list[int]) -> None:
    frames = [audio(1000 + 30 * at, b"\xaf\1" + bytes(size)) for at, size in enumerate(sizes)]
    assert decoded(encoded(ASC, *frames))[1:] == frames


def test_opus_is_read_back_as_it_was_with_its_channels() -> None:
    head = audio(0, b"\x90OpusOpusHead\1\1\x38\1\x80\xbb\0\0\0\0\0", header=True)
    frames = [audio(600 + 20 * number, b"\x91Opus\xf8" + b"a" * 300) for number in range(3)]
    short = audio(0, b"\x90OpusOpusHead", header=True)
    assert decoded(encoded(head, *frames)) == [head._replace(timestamp=600), *frames]
    assert decoded(encoded(head, short, *frames))[0].body == head.body


def test_what_mpeg_ts_carries_is_known_by_codec() -> None:
    assert carries(Codec.OPUS)
    assert not carries(Codec.AV1)
