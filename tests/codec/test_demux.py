"""Tests of headend.codec.demux."""

import io

import av
import pytest
from tests.wire import wire

from headend.codec.demux import Demuxer, decode
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag
from headend.testing import Recording, make_clip


def test_packets_have_the_times_of_their_tags_and_decode() -> None:
    clip = make_clip(1.0, has_b_frames=True)
    demuxer = Demuxer()
    frames: dict[str, list[float]] = {"video": [], "audio": []}
    for tag in clip.tags:
        packet = demuxer.demux(tag)
        if packet is None:
            assert tag.is_sequence_header or tag.kind is SCRIPT
            continue
        assert packet.dts == tag.timestamp
        assert packet.stream.type == tag.kind.name.lower()
        assert packet.is_keyframe or not tag.is_keyframe
        for frame in packet.decode():
            assert isinstance(frame, av.VideoFrame | av.AudioFrame)
            assert frame.time is not None
            frames[packet.stream.type].append(frame.time)
    assert frames["video"] == sorted(frames["video"])
    assert len(frames["video"]) >= 22  # the decoder holds some back
    assert len(frames["audio"]) >= 40
    assert demuxer.faults == []


def test_streams_are_templates_of_those_in_a_file() -> None:
    demuxer = Demuxer()
    tags = [*make_clip(1.0).tags]
    packets = [packet for tag in tags if (packet := demuxer.demux(tag)) is not None]
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        streams = {
            kind: output.add_stream_from_template(
                next(each.stream for each in packets if each.stream.type == kind)
            )
            for kind in ("video", "audio")
        }
        for packet in packets:
            packet.stream = streams[packet.stream.type]
            output.mux(packet)
    file.seek(0)
    with av.open(file, "r") as written:
        assert len(list(written.decode(video=0))) == 25


def test_times_do_not_wrap() -> None:
    start = 0xFFFF_FF00
    demuxer = Demuxer()
    times = []
    for tag in make_clip(1.0, has_audio=False).tags:
        moved = tag._replace(timestamp=(tag.timestamp + start) & 0xFFFF_FFFF)
        if (packet := demuxer.demux(moved)) is not None:
            assert packet.dts is not None
            times.append(packet.dts)
    assert times == sorted(times)
    assert times[-1] > 0xFFFF_FFFF


def test_change_of_codec_parameters_is_another_stream_and_the_same_header_is_not() -> None:
    demuxer = Demuxer()
    streams = []
    for clip in (make_clip(0.4), make_clip(0.4), make_clip(0.4, width=320)):
        for tag in clip.tags:
            packet = demuxer.demux(tag)
            if packet is not None and packet.stream.type == "video":
                streams.append(packet.stream)
    assert len(set(map(id, streams))) == 2
    assert [streams[i].codec_context.width for i in (0, -1)] == [160, 320]  # type: ignore[attr-defined]


def test_damage_is_left_out_and_said_once() -> None:
    demuxer = Demuxer()
    for _ in range(2):
        assert demuxer.demux(Tag(VIDEO, 0, wire("17 01 000000 00000001 65"), True, False)) is None
    assert len(demuxer.faults) == 1
    assert "without a sequence header" in demuxer.faults[0]


def test_packet_that_cannot_be_decoded_is_said() -> None:
    clip = make_clip(0.4, has_audio=False)
    demuxer = Demuxer()
    for tag in clip.tags:
        if tag.is_sequence_header:
            demuxer.demux(tag)
    spoilt = Tag(VIDEO, 0, wire("17 01 000000 00000004 ffffffff"), True, False)
    packet = demuxer.demux(spoilt)
    assert packet is not None
    assert decode(packet.stream, packet, lambda frame: frame, demuxer.report) == []
    (fault,) = demuxer.faults
    assert fault.startswith("the video cannot be decoded: ")


def test_sound_alone_is_a_stream() -> None:
    demuxer = Demuxer()
    sounds = [tag for tag in make_clip(0.4).tags if tag.kind is AUDIO]
    assert {p.stream.type for tag in sounds if (p := demuxer.demux(tag))} == {"audio"}


@pytest.mark.parametrize("size", [0, 3])
def test_track_that_ffmpeg_does_not_know_is_said(size: int) -> None:
    demuxer = Demuxer()
    header = Tag(VIDEO, 0, wire("17 00 000000") + bytes(size), False, True)
    assert demuxer.demux(header) is None
    assert demuxer.demux(Tag(VIDEO, 0, wire("17 01 000000 00000001 65"), True, False)) is None
    assert demuxer.faults
    assert Recording([]).tags == ()
