"""Tests of headend.codec.encode."""

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from headend.codec import Encoding
from headend.codec.demux import Demuxer
from headend.codec.encode import FrameEncoder, PacketMuxer
from headend.errors import MediaError
from headend.media.flv import serialize_header, serialize_tag
from headend.media.tag import AUDIO, VIDEO, Tag
from headend.testing import Clip, Recording, make_clip

FAST = Encoding(frame_rate=25, preset="ultrafast", keyframe_s=0.4)


def encoded(encoder: FrameEncoder, *frames: Any) -> Recording:
    tags: list[Tag] = []
    for frame in frames:
        tags += encoder.encode(encoder.frame(frame))
    return Recording(tags + encoder.flush())


def pictures(count: int, *shape: int) -> Iterator[np.ndarray]:
    for number in range(count):
        yield np.full(shape, number * 8 % 256, np.uint8)


def tone(start: int | None, samples: int = 1024) -> av.AudioFrame:
    frame = av.AudioFrame("s16", "stereo", samples)
    frame.planes[0].update(bytes(4 * samples))
    frame.sample_rate = 48_000
    if start is not None:
        frame.pts, frame.time_base = start, Fraction(1, 48_000)
    return frame


def test_arrays_are_pictures_at_the_frame_rate_with_keyframes_as_asked() -> None:
    recording = encoded(FrameEncoder(FAST), *pictures(25, 90, 160, 3))
    recording.assert_starts_with_keyframe().assert_decodes().assert_tracks(width=160, height=90)
    assert [tag.timestamp for tag in recording.media(VIDEO)] == list(range(0, 1000, 40))
    assert recording.keyframe_intervals == [400, 400]


@pytest.mark.parametrize("shape", [(90, 160), (90, 160, 4), (91, 161, 3)])
def test_grey_rgba_and_odd_sizes_are_pictures_too(shape: tuple[int, ...]) -> None:
    recording = encoded(FrameEncoder(FAST), *pictures(3, *shape))
    recording.assert_decodes().assert_tracks("avc1", width=160, height=90)


def test_array_is_the_picture_that_is_seen() -> None:
    picture = np.zeros((96, 160, 3), np.uint8)
    picture[:, :80] = (255, 0, 0)
    demuxer = Demuxer()
    recording = encoded(FrameEncoder(FAST), picture)
    frames = [f for tag in recording.tags if (p := demuxer.demux(tag)) for f in p.decode()]
    assert isinstance(frames[0], av.VideoFrame)
    seen = frames[0].to_ndarray(format="rgb24")
    assert seen[40, 20, 0] > 200
    assert seen[40, 20, 1] < 60
    assert seen[40, 140].max() < 60


def test_frames_keep_their_times_and_two_of_a_millisecond_are_one() -> None:
    frames = []
    for time in (0, 100, 100, 250):
        frame = av.VideoFrame(160, 90, "yuv420p")
        frame.pts, frame.time_base = time, Fraction(1, 1000)
        frames.append(frame)
    recording = encoded(FrameEncoder(FAST), *frames)
    assert [tag.timestamp for tag in recording.media(VIDEO)] == [0, 100, 250]


def test_sound_starts_with_its_own_time_and_decodes() -> None:
    with_times = encoded(FrameEncoder(FAST), *(tone(n * 1024) for n in range(20)))
    without = encoded(FrameEncoder(FAST), *(tone(None) for n in range(20)))
    for recording in (with_times, without):
        times = [tag.timestamp for tag in recording.media(AUDIO)]
        assert times[:3] == [0, 21, 43]
        assert len(times) >= 19
        assert recording.tracks[0].codecs == "mp4a.40.2"


def test_change_of_size_is_a_new_sequence_header() -> None:
    recording = encoded(FrameEncoder(FAST), *pictures(5, 90, 160, 3), *pictures(5, 96, 176, 3))
    recording.assert_decodes().assert_no_gap(41)
    headers = [tag for tag in recording.tags if tag.is_sequence_header]
    assert len(headers) == 2
    assert recording.tracks[0].width == 176


def test_bit_rate_is_kept_to() -> None:
    noise = np.random.default_rng(1)
    frames = (noise.integers(0, 255, (96, 160, 3), np.uint8) for _ in range(50))
    encoding = Encoding(
        frame_rate=25,
        preset="ultrafast",
        bit_rate=100_000,
        options={"maxrate": "100k", "bufsize": "50k"},
    )
    encoded(FrameEncoder(encoding), *frames).assert_bit_rate(50_000, 200_000)


@pytest.mark.parametrize(
    "what",
    [
        np.zeros((90, 160, 3), np.float32),
        np.zeros((90, 160, 2), np.uint8),
        np.zeros(90, np.uint8),
        "a text",
    ],
)
def test_what_is_no_picture_is_said(what: object) -> None:
    with pytest.raises(MediaError, match="a picture is an array of uint8, height × width × 3"):
        FrameEncoder(FAST).frame(what)  # type: ignore[arg-type]


def test_frame_that_cannot_be_encoded_is_said() -> None:
    encoder = FrameEncoder(Encoding(preset="no such preset"))
    with pytest.raises(MediaError, match="the frame cannot be encoded"):
        encoder.encode(encoder.frame(np.zeros((90, 160, 3), np.uint8)))


def flv_of(clip: Clip) -> io.BytesIO:
    head = serialize_header(has_audio=True, has_video=True)
    return io.BytesIO(head + b"".join(map(serialize_tag, clip.tags)))


@pytest.mark.parametrize("has_b_frames", [False, True])
def test_packets_of_a_file_go_as_they_are(has_b_frames: bool) -> None:
    clip = make_clip(1.0, has_b_frames=has_b_frames)
    muxer = PacketMuxer()
    with av.open(flv_of(clip), "r", format="flv") as container:
        tags = [tag for packet in container.demux() for tag in muxer.mux(packet)]
    tags += muxer.flush()
    recording = Recording(tags).assert_same_media(clip.tags).assert_starts_with_keyframe()
    recording.assert_no_gap(60).assert_decodes()


def test_packets_of_a_stream_that_is_played_go_on_as_they_are() -> None:
    clip = make_clip(1.0)
    demuxer, muxer = Demuxer(), PacketMuxer()
    tags = [t for tag in clip.tags if (p := demuxer.demux(tag)) for t in muxer.mux(p)]
    tags += muxer.flush()
    Recording(tags).assert_same_media(clip.tags).assert_decodes()


def test_packet_that_flv_cannot_hold_is_said() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="avi") as output:
        stream = output.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 160, 96
        for _ in range(2):
            output.mux(stream.encode(av.VideoFrame(160, 96, "yuv420p")))
        output.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as container:
        packet = next(iter(container.demux()))
        with pytest.raises(MediaError, match="does not go into FLV"):
            PacketMuxer().mux(packet)
    loose = av.Packet(b"abc")
    loose.dts = 0
    with pytest.raises(MediaError, match="the packet belongs to no container"):
        PacketMuxer().mux(loose)
