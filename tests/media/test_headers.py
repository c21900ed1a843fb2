"""Tests of how audio and video headers are parsed: FLV 10.1 and Enhanced RTMP v2 layouts.

Bodies marked "captured" are from ffmpeg, see the protocol notes on Enhanced RTMP.
"""

import pytest
from tests.wire import wire

from headend.errors import MediaError
from headend.media.headers import (
    AudioPacketType,
    Codec,
    FrameType,
    TrackPayload,
    VideoCommand,
    VideoPacketType,
    parse_audio_header,
    parse_video_header,
)

AVC1 = "61766331"
HVC1 = "68766331"
MP4A = "6d703461"


def test_codecs_have_the_names_of_the_api() -> None:
    video = "h264 hevc av1 vp8 vp9 vvc h263 screen screen2 vp6 vp6a"
    audio = "aac mp3 opus flac ac3 eac3 pcm_alaw pcm_mulaw pcm adpcm nellymoser speex"
    assert [str(codec) for codec in Codec] == f"{video} {audio} unknown".split()


# Video, legacy


@pytest.mark.parametrize(
    ("body", "codec", "start"),
    [
        ("12 00", Codec.H263, 1),
        ("13 00", Codec.SCREEN, 1),
        ("14 00", Codec.VP6, 1),
        ("15 00", Codec.VP6A, 1),
        ("16 00", Codec.SCREEN2, 1),
        ("17 01 000000 00", Codec.H264, 5),
        ("1c 01 000000 00", Codec.HEVC, 5),
        ("1d 01 000000 00", Codec.AV1, 5),
        ("18 00", Codec.UNKNOWN, 1),
    ],
)
def test_legacy_video_has_one_track_of_its_codec(body: str, codec: Codec, start: int) -> None:
    data = wire(body)
    header = parse_video_header(data)
    assert header.codec is codec
    assert header.fourcc is None
    assert header.frame_type is FrameType.KEY
    assert header.packet_type is VideoPacketType.CODED_FRAMES
    assert header.tracks == (TrackPayload(0, None, codec, 0, start, len(data)),)


@pytest.mark.parametrize(
    ("body", "packet_type"),
    [
        ("17 00 000000 01640028", VideoPacketType.SEQUENCE_START),
        ("17 01 000000 00000001 65", VideoPacketType.CODED_FRAMES),
        ("17 02 000000", VideoPacketType.SEQUENCE_END),
    ],
)
def test_avc_packet_types(body: str, packet_type: VideoPacketType) -> None:
    assert parse_video_header(wire(body)).packet_type is packet_type


def test_payload_is_what_stands_behind_the_composition_time() -> None:
    body = wire("27 01 000042 00000002 419a")
    header = parse_video_header(body)
    assert header.composition_time == 0x42
    assert body[header.tracks[0].payload] == wire("00000002 419a")


@pytest.mark.parametrize(
    ("value", "composition_time"),
    [("7fffff", 8388607), ("ffffff", -1), ("800000", -8388608), ("000000", 0)],
)
def test_composition_time_is_signed(value: str, composition_time: int) -> None:
    legacy = parse_video_header(wire(f"27 01 {value} 00"))
    enhanced = parse_video_header(wire(f"a1 {AVC1} {value} 00"))
    assert legacy.composition_time == enhanced.composition_time == composition_time


@pytest.mark.parametrize(
    ("first", "frame_type"),
    [
        ("07", FrameType.UNKNOWN),
        ("17", FrameType.KEY),
        ("27", FrameType.INTER),
        ("37", FrameType.DISPOSABLE),
        ("47", FrameType.GENERATED_KEY),
        ("67", FrameType.UNKNOWN),
        ("77", FrameType.UNKNOWN),
    ],
)
def test_frame_types(first: str, frame_type: FrameType) -> None:
    assert parse_video_header(wire(first + "01 000000")).frame_type is frame_type
    enhanced = bytes((wire(first)[0] & 0x70 | 0x81,)) + wire(AVC1 + "000000")
    assert parse_video_header(enhanced).frame_type is frame_type


@pytest.mark.parametrize(
    ("body", "command"),
    [
        ("52 00", VideoCommand.START_SEEK),
        ("52 01", VideoCommand.END_SEEK),
        ("57 01 000000 00", VideoCommand.START_SEEK),
        ("d0 00", VideoCommand.START_SEEK),
        ("d1 01", VideoCommand.END_SEEK),
        ("d6 01", VideoCommand.END_SEEK),
        ("d7 00 ff 11 01", VideoCommand.END_SEEK),  # behind a ModEx of one byte
    ],
)
def test_command_frame_has_a_command_and_no_track(body: str, command: VideoCommand) -> None:
    header = parse_video_header(wire(body))
    assert header.frame_type is FrameType.COMMAND
    assert header.command is command
    assert header.tracks == ()
    assert (header.codec, header.fourcc, header.composition_time) == (Codec.UNKNOWN, None, 0)


def test_empty_body_sets_nothing() -> None:
    video, audio = parse_video_header(b""), parse_audio_header(b"")
    assert video.frame_type is FrameType.UNKNOWN
    assert video.packet_type is VideoPacketType.CODED_FRAMES
    assert audio.packet_type is AudioPacketType.CODED_FRAMES
    assert video.tracks == audio.tracks == ()
    assert (audio.codec, audio.fourcc) == (Codec.UNKNOWN, None)


# Video, enhanced


@pytest.mark.parametrize(
    ("fourcc", "name", "codec"),
    [
        ("61766331", "avc1", Codec.H264),
        ("68766331", "hvc1", Codec.HEVC),
        ("76766331", "vvc1", Codec.VVC),
        ("61763031", "av01", Codec.AV1),
        ("76703038", "vp08", Codec.VP8),
        ("76703039", "vp09", Codec.VP9),
        ("78797a7a", "xyzz", Codec.UNKNOWN),
        ("ff00e920", "\xff\x00\xe9 ", Codec.UNKNOWN),
    ],
)
def test_fourcc_of_video(fourcc: str, name: str, codec: Codec) -> None:
    header = parse_video_header(wire(f"93 {fourcc} aabb"))
    assert header.tracks == (TrackPayload(0, name, codec, 0, 5, 7),)
    assert (header.codec, header.fourcc) == (codec, name)


@pytest.mark.parametrize(
    ("body", "packet_type", "frame_type", "start", "composition_time"),
    [
        # Captured, payloads shortened.
        ("90 68766331 0101", VideoPacketType.SEQUENCE_START, FrameType.KEY, 5, 0),
        ("91 68766331 000050 0000", VideoPacketType.CODED_FRAMES, FrameType.KEY, 8, 80),
        ("a1 68766331 000028 0000", VideoPacketType.CODED_FRAMES, FrameType.INTER, 8, 40),
        ("93 68766331 0000", VideoPacketType.CODED_FRAMES_X, FrameType.KEY, 5, 0),
        ("a3 68766331 0000", VideoPacketType.CODED_FRAMES_X, FrameType.INTER, 5, 0),
        ("d4 68766331 020009", VideoPacketType.METADATA, FrameType.COMMAND, 5, 0),
        ("84 68766331 020009", VideoPacketType.METADATA, FrameType.UNKNOWN, 5, 0),  # OBS
        ("90 76703039 01000000 010a870202000000", VideoPacketType.SEQUENCE_START, FrameType.KEY,
         5, 0),
        ("90 61763031", VideoPacketType.SEQUENCE_START, FrameType.KEY, 5, 0),  # av1C comes later
        ("91 61763031 1200", VideoPacketType.CODED_FRAMES, FrameType.KEY, 5, 0),
        # From the specification.
        ("92 61766331", VideoPacketType.SEQUENCE_END, FrameType.KEY, 5, 0),
        ("95 61763031 80", VideoPacketType.MPEG2TS_SEQUENCE_START, FrameType.KEY, 5, 0),
    ],
)  # fmt: skip
def test_enhanced_video(
    body: str,
    packet_type: VideoPacketType,
    frame_type: FrameType,
    start: int,
    composition_time: int,
) -> None:
    data = wire(body)
    header = parse_video_header(data)
    assert header.packet_type is packet_type
    assert header.frame_type is frame_type
    assert header.composition_time == composition_time
    assert header.command is None
    (track,) = header.tracks
    assert (track.track_id, track.start, track.end) == (0, start, len(data))


def test_one_track_takes_the_rest_of_the_message() -> None:
    header = parse_video_header(wire(f"96 00 {AVC1} 01 0164"))  # captured
    assert header.packet_type is VideoPacketType.SEQUENCE_START
    assert header.tracks == (TrackPayload(1, "avc1", Codec.H264, 0, 7, 9),)


def test_many_tracks_share_a_fourcc() -> None:
    body = wire(f"96 11 {AVC1}  01 000004 000021 aa  02 000003 ffffff")
    header = parse_video_header(body)
    assert header.packet_type is VideoPacketType.CODED_FRAMES
    assert header.tracks == (
        TrackPayload(1, "avc1", Codec.H264, 33, 13, 14),
        TrackPayload(2, "avc1", Codec.H264, -1, 21, 21),
    )
    assert header.composition_time == 33


def test_many_tracks_with_many_codecs() -> None:
    header = parse_video_header(wire("96 20 61766331 00 000002 0164  61763031 ff 000000"))
    assert header.packet_type is VideoPacketType.SEQUENCE_START
    assert header.tracks == (
        TrackPayload(0, "avc1", Codec.H264, 0, 10, 12),
        TrackPayload(255, "av01", Codec.AV1, 0, 20, 20),
    )


def test_message_may_hold_256_tracks() -> None:
    track = wire("07 000000")
    assert len(parse_video_header(wire(f"96 10 {AVC1}") + track * 256).tracks) == 256
    with pytest.raises(MediaError, match="more than 256"):
        parse_video_header(wire(f"96 10 {AVC1}") + track * 257)


# ModEx: size - 1, data, ModExType | packet type.


@pytest.mark.parametrize(
    ("body", "nanoseconds", "start"),
    [
        (f"97 02 0f423f 01 {AVC1} 000000", 999_999, 13),
        (f"97 02 0f4240 01 {AVC1} 000000", 0, 13),  # a million is out of range
        (f"97 03 000001ff 01 {AVC1} 000000", 1, 14),  # longer than it need be
        (f"97 01 ffff 01 {AVC1} 000000", 0, 12),  # too short for an offset
        (f"97 02 000005 11 {AVC1} 000000", 0, 13),  # a type that is not known
        (f"97 02 000005 07 00 aa 11 {AVC1} 000000", 5, 16),  # two of them
        (f"97 ff 00ff {'00' * 255}07 01 {AVC1} 000000", 0, 268),
    ],
)
def test_mod_ex_of_video(body: str, nanoseconds: int, start: int) -> None:
    header = parse_video_header(wire(body))
    assert header.nanosecond_offset == nanoseconds
    assert header.packet_type is VideoPacketType.CODED_FRAMES
    assert header.tracks[0].start == start


def test_mod_ex_of_256_bytes_has_a_longer_size() -> None:
    # u8 255 says that a u16 follows: 255 again is 256 bytes, 0 is one.
    data = wire("97 ff 00ff") + wire("000007") + bytes(253)
    assert parse_video_header(data + wire(f"03 {AVC1}")).nanosecond_offset == 7
    assert parse_video_header(wire(f"97 ff 0000 aa 03 {AVC1}")).nanosecond_offset == 0


def test_multitrack_may_follow_a_mod_ex() -> None:
    header = parse_video_header(wire(f"97 02 000005 06 01 {AVC1} 03 000000 aa"))
    assert header.nanosecond_offset == 5
    assert header.tracks == (TrackPayload(3, "avc1", Codec.H264, 0, 15, 16),)


def test_mod_ex_chain_has_an_end() -> None:
    assert parse_video_header(wire("97" + "00 aa 17" * 14 + f"00 aa 13 {AVC1}"))
    with pytest.raises(MediaError, match="more than 16"):
        parse_video_header(wire("97" + "00 aa 17" * 5_000))


@pytest.mark.parametrize(
    "body",
    [
        "17",
        "17 03 000000",  # packet type
        "17 01",
        "17 01 0000",
        "52 02",  # command
        "57",
        "90",
        "90 617663",
        f"98 {AVC1} 00",  # packet type
        f"91 {AVC1} 0000",
        "d0",
        "d0 02",  # command
        "96",
        "96 00",
        f"96 00 {AVC1}",
        f"96 30 {AVC1} 00",  # multitrack type
        f"96 06 {AVC1} 00",  # multitrack in multitrack
        f"96 07 {AVC1} 00",  # ModEx in multitrack
        f"96 08 {AVC1} 00",  # packet type
        f"96 10 {AVC1}",  # no track
        f"96 10 {AVC1} 00",
        f"96 10 {AVC1} 00 0000",
        f"96 10 {AVC1} 00 000002 aa",
        f"96 11 {AVC1} 00 000002 0000 00 000003 000000",  # composition time over the track's end
        "96 20 617663",
        "97",
        "97 00",
        "97 00 aa",
        "97 00 aa 11",
        "97 ff 00",
        "97 ff 0000 aa",
    ],
)
def test_video_header_that_makes_no_sense_is_refused(body: str) -> None:
    with pytest.raises(MediaError):
        parse_video_header(wire(body))


# Audio


@pytest.mark.parametrize(
    ("body", "codec", "start"),
    [
        ("0e 00", Codec.PCM, 1),
        ("1e 00", Codec.ADPCM, 1),
        ("2f 00", Codec.MP3, 1),
        ("3e 00", Codec.PCM, 1),
        ("4e 00", Codec.NELLYMOSER, 1),
        ("5e 00", Codec.NELLYMOSER, 1),
        ("6e 00", Codec.NELLYMOSER, 1),
        ("7e 00", Codec.PCM_ALAW, 1),
        ("8e 00", Codec.PCM_MULAW, 1),
        ("af 01", Codec.AAC, 2),
        ("b2 00", Codec.SPEEX, 1),
        ("c2 00", Codec.UNKNOWN, 1),
        ("ef 00", Codec.MP3, 1),
        ("ff", Codec.UNKNOWN, 1),
    ],
)
def test_legacy_audio_has_one_track_of_its_codec(body: str, codec: Codec, start: int) -> None:
    data = wire(body)
    header = parse_audio_header(data)
    assert header.codec is codec
    assert header.fourcc is None
    assert header.packet_type is AudioPacketType.CODED_FRAMES
    assert header.tracks == (TrackPayload(0, None, codec, 0, start, len(data)),)


@pytest.mark.parametrize("first", ["af", "ae", "a2", "a0"])
def test_aac_packet_type_counts_whatever_rate_and_size_are_said(first: str) -> None:
    assert parse_audio_header(wire(first + "00 1190")).packet_type is AudioPacketType.SEQUENCE_START
    assert parse_audio_header(wire(first + "01 21")).packet_type is AudioPacketType.CODED_FRAMES
    assert parse_audio_header(wire(first + "02")).packet_type is AudioPacketType.SEQUENCE_END


@pytest.mark.parametrize(
    ("fourcc", "name", "codec"),
    [
        ("61632d33", "ac-3", Codec.AC3),
        ("65632d33", "ec-3", Codec.EAC3),
        ("4f707573", "Opus", Codec.OPUS),
        ("2e6d7033", ".mp3", Codec.MP3),
        ("664c6143", "fLaC", Codec.FLAC),
        ("6d703461", "mp4a", Codec.AAC),
        ("78797a7a", "xyzz", Codec.UNKNOWN),
    ],
)
def test_fourcc_of_audio(fourcc: str, name: str, codec: Codec) -> None:
    header = parse_audio_header(wire(f"91 {fourcc} aabb"))
    assert header.tracks == (TrackPayload(0, name, codec, 0, 5, 7),)
    assert (header.codec, header.fourcc) == (codec, name)


@pytest.mark.parametrize(
    ("body", "packet_type", "track_id", "start"),
    [
        # Captured: Opus, then a second track of AAC.
        ("90 4f707573 4f70757348656164", AudioPacketType.SEQUENCE_START, 0, 5),
        ("94 4f707573 01 01 00000004", AudioPacketType.MULTICHANNEL_CONFIG, 0, 5),
        ("91 4f707573 fc", AudioPacketType.CODED_FRAMES, 0, 5),
        ("95 00 6d703461 01 1190", AudioPacketType.SEQUENCE_START, 1, 7),
        ("95 04 6d703461 01 010200000003", AudioPacketType.MULTICHANNEL_CONFIG, 1, 7),
        # From the specification.
        ("92 4f707573", AudioPacketType.SEQUENCE_END, 0, 5),
        ("97 02 000005 05 11 6d703461 02 000001 21", AudioPacketType.CODED_FRAMES, 2, 15),
    ],
)
def test_enhanced_audio(body: str, packet_type: AudioPacketType, track_id: int, start: int) -> None:
    data = wire(body)
    header = parse_audio_header(data)
    assert header.packet_type is packet_type
    (track,) = header.tracks
    assert (track.track_id, track.start, track.end) == (track_id, start, len(data))


def test_mod_ex_of_audio() -> None:
    assert parse_audio_header(wire(f"97 02 000005 01 {MP4A} 21")).nanosecond_offset == 5


@pytest.mark.parametrize(
    "body",
    [
        "af",
        "af 03",  # packet type
        "90",
        "90 4f7075",
        f"93 {MP4A}",  # packet type
        f"96 {MP4A}",
        "95 05 6d703461 00",  # multitrack in multitrack
        "95 07 6d703461 00",
        "95 03 6d703461 00",  # packet type
        "97",
    ],
)
def test_audio_header_that_makes_no_sense_is_refused(body: str) -> None:
    with pytest.raises(MediaError):
        parse_audio_header(wire(body))
