"""Tests of headend.codec.encoders."""

from fractions import Fraction

import av
import pytest

from headend.codec.encoders import UnevenPictures, add_aac, add_video, drawn, encode_audio, sound
from headend.codec.flv_muxer import FlvMuxer


def picture(time: int | None) -> av.VideoFrame:
    frame = av.VideoFrame(64, 48, "yuv420p")
    frame.pts, frame.time_base = time, Fraction(1, 10_000)
    return frame


def test_pictures_of_one_millisecond_and_pictures_without_a_time_are_left_out() -> None:
    muxer = FlvMuxer()
    options = {"tune": "zerolatency"}
    encoder = UnevenPictures(add_video(muxer.container, (64, 48), Fraction(20), 40, options))
    frames = [picture(time) for time in (0, 2, None, 500, 400)]
    packets = [packet for frame in (*frames, None) for packet in encoder.encode(frame)]
    assert [packet.pts for packet in packets] == [0, 50]


@pytest.mark.parametrize(
    ("size", "encoded"), [((64, 48), (64, 48)), ((63, 47), (62, 46)), ((1, 1), (2, 2))]
)
def test_odd_sides_lose_a_pixel(size: tuple[int, int], encoded: tuple[int, int]) -> None:
    stream = add_video(FlvMuxer().container, size, Fraction(20), 40, {})
    assert (stream.width, stream.height) == encoded


@pytest.mark.parametrize(
    ("rate", "channels", "expected"),
    [(44_100, 1, (44_100, 1)), (22_050, 2, (48_000, 2)), (96_000, 6, (48_000, 2))],
)
def test_aac_has_a_rate_and_channels_that_every_player_takes(
    rate: int, channels: int, expected: tuple[int, int]
) -> None:
    stream = add_aac(FlvMuxer().container, rate, channels, 96_000)
    assert (stream.codec_context.sample_rate, stream.codec_context.channels) == expected


def test_sound_begins_at_its_own_time() -> None:
    stream = add_aac(FlvMuxer().container, 48_000, 1, 96_000)
    stream.codec_context.open()
    frames = [sound(stream, number * 1024, 1024) for number in range(4)]
    packets = [packet for frame in (*frames, None) for packet in encode_audio(stream, frame)]
    assert [packet.pts for packet in packets] == [0, 1024, 2048, 3072]


@pytest.mark.parametrize("width", [64, 62, 1280])
def test_rows_of_a_drawn_picture_follow_each_other(width: int) -> None:
    rows = [bytes((number,)) * width for number in range(48)]
    grey = bytes((128,)) * (width // 2 * 24)
    luma = drawn(width, 48, (b"".join(rows), grey, grey)).planes[0]
    data = bytes(luma)
    assert [data[y * luma.line_size : y * luma.line_size + width] for y in range(48)] == rows
