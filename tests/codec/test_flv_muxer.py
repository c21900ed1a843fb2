"""Tests of headend.codec.flv_muxer."""

from fractions import Fraction

import av
import pytest

from headend.codec.flv_muxer import FlvMuxer, Packet
from headend.media.tag import AUDIO, SCRIPT, VIDEO


def add_aac(muxer: FlvMuxer) -> av.AudioStream:
    stream = muxer.container.add_stream("aac", rate=48000, layout="mono")
    # What FFmpeg finds in the first packet of ADTS, at the latest.
    stream.codec_context.extradata = b"\x11\x88"
    return stream


def packet(stream: av.AudioStream | av.VideoStream, dts: int, data: bytes) -> Packet:
    made = av.Packet(data)
    made.stream = stream
    made.pts = made.dts = dts
    made.time_base = Fraction(1, 1000)
    return made


def test_tags_come_with_their_packet() -> None:
    muxer = FlvMuxer()
    stream = add_aac(muxer)
    first = muxer.mux(packet(stream, 0, b"\x21\x10"))
    assert [(tag.kind, tag.is_sequence_header) for tag in first] == [
        (SCRIPT, False),
        (AUDIO, True),
        (AUDIO, False),
    ]
    (second,) = muxer.mux(packet(stream, 21, b"\x21\x11"))
    assert (second.timestamp, second.body[1:]) == (21, b"\x01\x21\x11")
    assert muxer.close() == []


def test_start_codes_become_lengths() -> None:
    muxer = FlvMuxer()
    stream = muxer.container.add_stream("libx264", rate=25)
    stream.width = stream.height = 16
    stream.pix_fmt = "yuv420p"
    packets = stream.encode(av.VideoFrame(16, 16, "yuv420p")) + stream.encode(None)
    tags = [tag for each in packets for tag in muxer.mux(each)] + muxer.close()
    video = [tag for tag in tags if tag.kind is VIDEO]
    assert [(tag.body[:2], tag.is_keyframe) for tag in video] == [
        (b"\x17\x00", False),
        (b"\x17\x01", True),
        (b"\x17\x02", False),
    ]
    assert video[1].body[5:8] == b"\0\0\x02"  # the length of an SEI, not 00 00 00 01


def test_audio_header_without_content_is_left_out() -> None:
    muxer = FlvMuxer()
    stream = muxer.container.add_stream("aac", rate=48000, layout="mono")
    stream.codec_context.extradata = None
    tags = muxer.mux(packet(stream, 0, b"\x21\x10")) + muxer.close()
    assert b"\xaf\x00" not in [tag.body for tag in tags]


def test_what_flv_cannot_hold_is_an_error() -> None:
    muxer = FlvMuxer()
    stream = muxer.container.add_stream("aac", rate=12345, layout="mono")
    with pytest.raises((av.FFmpegError, ValueError)):
        muxer.mux(packet(stream, 0, b"\x21\x10"))
