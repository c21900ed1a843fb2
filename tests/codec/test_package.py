"""Tests of headend.codec.package by what FFmpeg's own readers say of the result."""

import io
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace

import av
import pytest
from tests.codec.tracks import AUDIO_TRACK, VIDEO_TRACK, picture, sound
from tests.hls.media import AVCC, video_header
from tests.wire import wire

from headend.codec.package import BadPacketError, Container, Muxer, Packet, Track
from headend.errors import MediaError
from headend.media.codecs import audio_tag, video_tag
from headend.media.headers import Codec
from headend.media.tag import AUDIO, VIDEO
from headend.media.track_config import TrackConfig, track_config


def packets(data: bytes) -> list[tuple[str, int, bool]]:
    """Return the packets of a file: kind, DTS in ms, keyframe."""
    with av.open(io.BytesIO(data), "r") as container:
        return [
            (p.stream.type, round(p.dts * p.time_base * 1000), p.is_keyframe)
            for p in container.demux()
            if p.dts is not None and p.time_base is not None
        ]


def test_fragment_ends_before_a_keyframe_and_times_are_kept() -> None:
    muxer = Muxer([VIDEO_TRACK], "fmp4")
    assert muxer.init[4:8] == b"ftyp"
    assert b"avcC" + AVCC in muxer.init
    assert muxer.write(picture(90_000, is_keyframe=True, shift=40)) == (
        b"",
        picture(90_000, is_keyframe=True, shift=40),
    )
    assert muxer.write(picture(90_040))[0] == b""
    fragment, written = muxer.write(picture(90_080, is_keyframe=True))
    assert written == picture(90_080, is_keyframe=True)
    assert fragment[4:8] == b"moof"
    (last,) = muxer.finish()
    assert last[4:8] == b"moof"
    assert packets(muxer.init + fragment + last) == [
        ("video", 90_000, True),
        ("video", 90_040, False),
        ("video", 90_080, True),
    ]


def test_fragment_ends_before_it_is_too_long() -> None:
    muxer = Muxer([VIDEO_TRACK], "fmp4", 118)
    muxer.write(picture(0, is_keyframe=True))
    ends = [time for time in range(40, 600, 40) if muxer.write(picture(time))[0]]
    assert ends == [120, 240, 360, 480]


def test_of_two_tracks_a_packet_is_written_when_the_next_one_comes() -> None:
    muxer = Muxer([VIDEO_TRACK, AUDIO_TRACK], "fmp4", 1000)
    first = picture(0, is_keyframe=True)
    assert muxer.write(first)[1] is None
    assert muxer.write(sound(0))[1] == first  # of the same time the picture is first
    assert muxer.write(picture(40))[1] == sound(0)
    assert muxer.write(sound(23))[1] == sound(23)  # it came late, and goes first
    assert muxer.write(picture(80, is_keyframe=True))[1] == picture(40)
    fragment, written = muxer.write(sound(81))
    assert written == picture(80, is_keyframe=True)
    assert packets(muxer.init + fragment) == [
        ("video", 0, True),
        ("video", 40, False),
        ("audio", 0, True),
        ("audio", 23, True),
    ]


def test_packet_that_was_kept_back_may_begin_a_last_fragment() -> None:
    muxer = Muxer([VIDEO_TRACK, AUDIO_TRACK], "fmp4", 75)
    assert muxer.kept is None
    for packet in (picture(0, is_keyframe=True), sound(0), picture(40), sound(40), picture(80)):
        assert muxer.write(packet)[0] == b""
    assert muxer.kept == picture(80)
    first, second = muxer.finish()
    assert (first.count(b"moof"), second.count(b"moof")) == (1, 1)
    assert first[4:8] == second[4:8] == b"moof"


def test_init_segment_of_some_codecs_comes_with_the_first_fragment() -> None:
    frame = wire("0b77aebd0c402f842bc1c77aaf5e1be7ef9f3e") + bytes(365)
    tag = audio_tag(0, wire("91 61632d33") + frame)
    muxer = Muxer([Track(track_config(tag), tag)], "fmp4", 30)
    assert muxer.init == b""
    assert muxer.write(Packet(AUDIO, 0, 0, True, frame))[0] == b""
    assert muxer.write(Packet(AUDIO, 32, 32, True, frame))[0][4:8] == b"moof"
    assert b"dac3" in muxer.init
    assert muxer.finish()[0][4:8] == b"moof"


@pytest.mark.parametrize("magic", ["", "664c6143 80000022"])
def test_flac_has_its_sample_size(magic: str) -> None:
    # 44.1 kHz, mono, 24 bits
    record = wire(magic) + wire("1200 1200 000000 000000 0ac44170 00000000") + bytes(16)
    tag = audio_tag(0, wire("90 664c6143") + record)
    muxer = Muxer([Track(track_config(tag), tag)], "fmp4")
    # reserved, data reference, 8 reserved, channels, sample size: ISO/IEC 14496-12, 12.2.3
    entry = b"fLaC" + wire("000000000000 0001 0000000000000000 0001 0018")
    assert entry in muxer.init


@pytest.mark.parametrize(
    "vpcc",
    ["00 0a 82", "01 0a 84", "01 0a 86", "02 0a a2", "03 0a c6"],
    ids=["4:2:0", "4:2:2", "4:4:4", "4:2:0, 10 bits", "4:4:4, 12 bits"],
)
def test_vp9_keeps_its_depth_and_subsampling(vpcc: str) -> None:
    tag = video_tag(0, wire("90 76703039 01000000") + wire(vpcc) + wire("020202 0000"))
    config = replace(track_config(tag), width=320, height=180)
    muxer = Muxer([Track(config, tag)], "fmp4")
    box = muxer.init[muxer.init.index(b"vpcC") :]
    assert box[8] == wire(vpcc)[0]  # profile
    assert box[10] & 0xFE == wire(vpcc)[2]


@pytest.mark.parametrize(
    ("codec", "frame"),
    [(Codec.AC3, "0b77000052540084"), (Codec.EAC3, "0b77aebd0c402f84")],
    ids=["AC-3 for modems", "AC-3 as E-AC-3"],
)
def test_frames_that_ffmpeg_cannot_describe_are_an_error(codec: Codec, frame: str) -> None:
    # Of the first it writes a moov of size 0.
    fourcc = {Codec.AC3: "61632d33", Codec.EAC3: "65632d33"}[codec]
    tag = audio_tag(0, wire(f"91 {fourcc} {frame}"))
    track = Track(TrackConfig(AUDIO, codec, sample_rate=48_000, channels=2), tag)
    muxer = Muxer([track], "fmp4", 30)
    frames = [Packet(AUDIO, time, time, True, wire(frame)) for time in range(0, 320, 32)]
    with pytest.raises(MediaError, match="FFmpeg does not"):
        list(map(muxer.write, frames))
    assert muxer.finish() == [b""]


@pytest.mark.parametrize(
    "box", ["00000000 6d6f6f76", "00000007 6d6f6f76", "00000100 6d6f6f76", "01"]
)
def test_boxes_that_do_not_end_are_an_error(box: str) -> None:
    muxer = Muxer([VIDEO_TRACK], "fmp4", 30)
    muxer.init = b""
    muxer._output.pieces = [wire("00000010 66747970") + bytes(8) + wire(box)]
    assert muxer.finish() == [b""]
    muxer = Muxer([VIDEO_TRACK], "fmp4", 30)
    muxer._output.pieces = [wire("00000008 6d6f6f66") + wire(box)]
    assert muxer.finish() == [b""]


def test_mpegts_comes_at_the_end_as_a_whole() -> None:
    muxer = Muxer([VIDEO_TRACK, AUDIO_TRACK], "mpegts")
    for time in range(0, 400, 40):
        assert muxer.write(picture(time, is_keyframe=time == 0))[0] == b""
        assert muxer.write(sound(time))[0] == b""
    data = b"".join(muxer.finish())
    assert muxer.init == b""
    assert data[0] == 0x47
    assert len(data) % 188 == 0
    assert len([kind for kind, _, _ in packets(data) if kind == "video"]) == 10


PACKAGED = """
import sys
from headend.codec.package import Muxer
from headend.errors import MediaError
from tests.codec.tracks import *
known = set(sys.modules)
for container in ("fmp4", "mpegts"):
    muxer = Muxer([VIDEO_TRACK, AUDIO_TRACK], container, 40)
    for time in range(0, 400, 40):
        muxer.write(picture(time, is_keyframe=time == 0))
        muxer.write(sound(time))
    try:
        muxer.write(picture(0))
    except MediaError:
        pass
    muxer.finish()
print(sorted(set(sys.modules) - known))
"""


def test_nothing_is_loaded_while_a_stream_is_packaged() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PACKAGED], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


def test_tracks_that_ffmpeg_does_not_know_are_refused() -> None:
    with pytest.raises(MediaError, match="cannot package"):
        Muxer([Track(TrackConfig(VIDEO, VIDEO_TRACK.config.codec), video_header())], "fmp4")


def test_packet_that_ffmpeg_does_not_take_is_an_error() -> None:
    muxer = Muxer([VIDEO_TRACK], "fmp4")
    muxer.write(picture(100, is_keyframe=True))
    with pytest.raises(BadPacketError, match="does not take a packet"):
        muxer.write(picture(140, shift=-1))
    with pytest.raises(BadPacketError, match="in the order of their times"):
        muxer.write(picture(60))
    assert muxer.write(picture(180))[0] == b""  # it goes on without them
    assert len(packets(muxer.init + b"".join(muxer.finish()))) == 2


@pytest.mark.parametrize("container", ["fmp4", "mpegts"])
def test_hole_of_a_minute_in_one_track_ends_the_run(container: Container) -> None:
    # After one of hours FFmpeg's MP4 muxer would abort the process.
    muxer = Muxer([VIDEO_TRACK, AUDIO_TRACK], container)
    muxer.write(sound(0))
    for time in range(0, 60_040, 40):
        muxer.write(picture(time, is_keyframe=time % 1000 == 0))
    muxer.write(sound(60_000))
    with pytest.raises(MediaError, match="for over 60 s"):
        muxer.write(sound(2**31))
    muxer.finish()


def test_packets_that_come_closely_do_not_abort_the_process() -> None:
    # A fragment ends with a long packet of one track, and short ones follow in the next.
    for gap in (1, 2, 20, 39):
        muxer = Muxer([VIDEO_TRACK, AUDIO_TRACK], "fmp4", 100)
        written = 0
        for number in range(400):
            time = 40 * (number // 4) + gap * (number % 4) // 3
            for packet in (picture(time, is_keyframe=number % 3 == 0), sound(time)):
                with suppress(BadPacketError):
                    written += len(muxer.write(packet)[0])
        assert muxer.finish()
        assert written
