"""Tests of headend.codec.transcoding."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from tests.sources.media import make

from headend.codec import transcoding
from headend.codec.flv_muxer import FlvMuxer
from headend.media.tag import AUDIO, VIDEO, Tag


def through(path: Path, index: int = 0) -> list[Tag]:
    """Read one stream of a file as tags."""
    muxer = FlvMuxer()
    with av.open(str(path)) as container:
        stream = container.streams[index]
        assert isinstance(stream, av.VideoStream | av.AudioStream)
        track = transcoding.add_track(stream, muxer.container)
        ready = [made for packet in container.demux(stream) for made in track(packet)]
        return [tag for packet in ready for tag in muxer.mux(packet)] + muxer.close()


def frames(tags: list[Tag], kind: int) -> list[Tag]:
    return [tag for tag in tags if tag.kind == kind and not tag.is_sequence_header]


@pytest.mark.parametrize(
    ("name", "video", "audio", "notes", "enhanced"),
    [
        ("a.mp4", "libx264", "aac", [None, None], [False, False]),
        ("a.mkv", "libx265", "libopus", [None, None], [True, True]),
        ("a.mkv", "libvpx-vp9", "flac", [None, None], [True, True]),
        ("a.mkv", "libsvtav1", "libopus", [None, None], [True, True]),
        ("a.ts", "libx264", "ac3", [None, None], [False, True]),
        (
            "a.avi",
            "mpeg4",
            "pcm_s16le",
            [
                "mpeg4 does not fit into RTMP: encoding it as H.264",
                "pcm_s16le does not fit into RTMP: encoding it as AAC",
            ],
            [False, False],
        ),
    ],
)
def test_what_becomes_of(
    tmp_path: Path,
    name: str,
    video: str,
    audio: str,
    notes: list[str | None],
    enhanced: list[bool],
) -> None:
    with av.open(str(make(tmp_path / name, video, audio))) as container:
        streams = (container.streams.video[0], container.streams.audio[0])
        assert [transcoding.transcoding(stream) for stream in streams] == notes
        assert [transcoding.is_enhanced(stream) for stream in streams] == enhanced


@pytest.mark.parametrize(
    ("sample_rate", "note"),
    [(44100, None), (32000, "mp3 of 32000 Hz does not fit into RTMP: encoding it as AAC")],
)
def test_mp3_fits_at_some_rates_only(tmp_path: Path, sample_rate: int, note: str | None) -> None:
    path = make(tmp_path / "a.mp3", None, "libmp3lame", sample_rate=sample_rate)
    with av.open(str(path)) as container:
        assert transcoding.transcoding(container.streams.audio[0]) == note


def test_copied_stream_keeps_its_packets(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", "libx264", None)
    with av.open(str(path)) as container:
        payloads = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert [tag.body[5:] for tag in frames(through(path), VIDEO)][:-1] == payloads


def test_packet_without_a_presentation_time_is_shown_when_it_is_decoded(tmp_path: Path) -> None:
    muxer = FlvMuxer()
    with av.open(str(make(tmp_path / "a.mp4", "libx264", None))) as container:
        take = transcoding.add_track(container.streams.video[0], muxer.container)
        packet = next(container.demux(video=0))
        packet.pts = None
        (copied,) = take(packet)  # type: ignore[arg-type]
    assert copied.pts == copied.dts


def test_other_video_is_encoded_as_h264(tmp_path: Path) -> None:
    tags = through(make(tmp_path / "a.avi", "mpeg4", None))
    pictures = frames(tags, VIDEO)[:-1]  # the last tag ends the track
    assert {tag.body[0] & 15 for tag in pictures} == {7}
    assert [tag.is_keyframe for tag in pictures] == [True] + [False] * 9
    assert {later.timestamp - earlier.timestamp for earlier, later in pairwise(pictures)} == {50}


def test_odd_sizes_lose_a_line(tmp_path: Path) -> None:
    path = make(tmp_path / "a.nut", "rawvideo", None, size=(63, 47))
    muxer = FlvMuxer()
    with av.open(str(path)) as container:
        transcoding.add_track(container.streams.video[0], muxer.container)
    (out,) = muxer.container.streams.video
    assert (out.width, out.height) == (62, 46)


def test_other_audio_is_encoded_as_aac(tmp_path: Path) -> None:
    tags = through(make(tmp_path / "a.wav", None, "pcm_s16le", sample_rate=22050))
    audio = frames(tags, AUDIO)
    assert {tag.body[0] >> 4 for tag in audio} == {10}
    assert [tag.body[2:4] for tag in tags if tag.is_sequence_header] == [b"\x11\x90"]  # 48 kHz
    assert audio[-1].timestamp == pytest.approx(500, abs=30)


@pytest.mark.parametrize(
    ("rate", "expected"), [(None, 30), (Fraction(1000), 30), (Fraction(25), 25)]
)
def test_frame_rate_that_is_a_clock_counts_as_30(rate: Fraction | None, expected: int) -> None:
    class Stream:
        """Takes the place of a video stream."""

        average_rate = rate
        guessed_rate = None
        width, height = 64, 48

    muxer = FlvMuxer()
    transcoding._encoded_video(Stream(), muxer.container)  # type: ignore[arg-type]
    (out,) = muxer.container.streams.video
    assert out.codec_context.gop_size == expected * 2
