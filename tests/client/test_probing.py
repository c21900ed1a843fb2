"""Tests of headend.client.probing and probing_files."""

from pathlib import Path

import pytest
from tests.client.peers import on_air, our_server
from tests.client.servers import STARTED, other_server, saying
from tests.sources.media import make

from headend.client.probing import Facts, Measure, probe
from headend.errors import MediaError, Rejected
from headend.media import flv
from headend.media.codecs import video_tag
from headend.media.tag import Tag
from headend.testing.clip import Clip, make_clip

CLIP = make_clip(2.0, gop=10, has_b_frames=True)
SOUND = Clip(tuple(t for t in make_clip(1.0).tags if t.kind == 8), 1000)


def written(path: Path, tags: tuple[Tag, ...]) -> Path:
    data = b"".join(flv.serialize_tag(tag) for tag in tags)
    path.write_bytes(flv.serialize_header(has_audio=True, has_video=True) + data)
    return path


def check(facts: Facts) -> None:
    video, audio = facts.video, facts.audio
    assert video is not None
    assert (video.codec, video.width, video.height) == ("h264", 160, 96)
    assert video.frame_rate == pytest.approx(25, abs=0.5)
    assert video.keyframe_interval == pytest.approx(0.4, abs=0.01)
    assert video.longest_keyframe_interval == pytest.approx(0.4, abs=0.01)
    assert video.has_b_frames
    assert video.bit_rate is not None
    assert 10_000 < video.bit_rate < 1_000_000
    assert audio is not None
    assert (audio.codec, audio.sample_rate, audio.channels) == ("aac", 48000, 1)
    assert facts.bit_rate is not None
    assert audio.bit_rate is not None
    assert facts.bit_rate > audio.bit_rate
    assert facts.faults == ()


async def test_streams_of_all_protocols_are_told(tmp_path: Path) -> None:
    async with our_server(tmp_path) as ours, on_air(f"{ours.rtmp}/live/a", CLIP):
        socket = ours.http.replace("http", "ws")
        urls = {
            "rtmp": f"{ours.rtmp}/live/a",
            "http-flv": f"{ours.http}/live/a.flv?x=1",
            "ws-flv": f"{socket}/live/a.flv",
            "hls": f"{ours.http}/live/a/index.m3u8",
        }
        for protocol, url in urls.items():
            facts = await probe(url, duration_s=1.2)
            check(facts)
            assert facts.protocol == protocol
            assert facts.time_to_connect is not None
            assert facts.time_to_first_picture is not None
            assert facts.time_to_first_picture >= facts.time_to_connect
            assert facts.video is not None
            assert facts.video.codecs is not None
            assert facts.video.codecs.startswith("avc1.")


async def test_files_are_told(tmp_path: Path) -> None:
    facts = await probe(str(written(tmp_path / "a.flv", CLIP.tags)))
    check(facts)
    assert (facts.protocol, facts.time_to_connect) == ("file", None)
    facts = await probe(str(make(tmp_path / "a.mkv", "mpeg4", "aac")))
    assert facts.video is not None
    assert facts.audio is not None
    assert (facts.video.codec, facts.audio.codec) == ("mpeg4", "aac")
    assert (facts.video.width, facts.video.height) == (64, 48)
    assert facts.video.frame_rate == pytest.approx(20, abs=0.5)
    sound = await probe(str(make(tmp_path / "a.wav", None, "pcm_s16le")))
    assert sound.video is None
    assert sound.audio is not None
    assert (sound.audio.codec, sound.audio.channels) == ("pcm_s16le", 2)


async def test_what_is_no_media_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    written(tmp_path / "empty.flv", ())

    for name in ("a.txt", "a.srt", "empty.flv", "none.mp4"):
        with pytest.raises(MediaError, match=name):
            await probe(str(tmp_path / name))


def test_sound_alone_is_told() -> None:
    measure = Measure()
    assert measure.first_at is None
    assert measure.duration_s == 0
    for number, tag in enumerate(SOUND.tags):
        measure.add(tag, 10.0 + number)
    facts = measure.facts("rtmp", time_to_connect=None, time_to_first=1.0)
    assert facts.video is None
    assert measure.first_at == 11.0  # the header is no sound
    assert facts.audio is not None
    assert facts.audio.profile == "LC"


def test_one_picture_has_no_rate() -> None:
    measure = Measure()
    for tag in CLIP.tags[:6]:
        if tag.kind == 9:
            measure.add(tag, 1.0)
            if tag.is_keyframe:
                break
    facts = measure.facts("rtmp", time_to_connect=0.1, time_to_first=0.2)
    assert facts.video is not None
    assert (facts.video.bit_rate, facts.video.keyframe_interval, facts.bit_rate) == (None,) * 3
    assert facts.video.frame_rate == facts.video.declared_frame_rate


def test_codec_that_nobody_knows_may_follow_one_that_is_known() -> None:
    measure = Measure()
    for tag in CLIP.tags:
        measure.add(tag, 1.0)
    measure.add(video_tag(3000, b"\x90!!!!\x01"), 2.0)
    facts = measure.facts("rtmp", time_to_connect=0.1, time_to_first=0.2)
    assert facts.video is not None
    assert facts.video.codec == "h264"
    assert facts.faults == ("there is a codec that FFmpeg does not decode",)


async def test_stream_without_media_and_one_that_is_refused(tmp_path: Path) -> None:
    async with other_server(saying(STARTED)) as url:
        with pytest.raises(MediaError, match="no media came"):
            await probe(url, duration_s=0.05)
    async with our_server(tmp_path, "live.wait_s=0") as ours:
        with pytest.raises(Rejected):
            await probe(f"{ours.rtmp}/live/none")
