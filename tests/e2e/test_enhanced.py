"""Tests of the codecs and tracks of Enhanced RTMP, with an FFmpeg that knows them."""

from pathlib import Path

import pytest
from tests.e2e import media
from tests.e2e.enhanced import CODECS, encoders
from tests.e2e.peers import Peers
from tests.e2e.server import Server
from tests.e2e.wait import wait_for

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("codec", CODECS)
def test_codec_passes_as_it_is(
    codec: str, server: Server, peers: Peers, new_ffmpeg: str, tmp_path: Path
) -> None:
    options, without = CODECS[codec]
    if options[1] not in encoders(new_ffmpeg):
        pytest.skip(f"this FFmpeg has no {options[1]}")
    inputs = (*media.picture(1.2), *media.tone(1.2, 48000), without)
    clip = media.make(new_ffmpeg, tmp_path / "clip.flv", *inputs, *options)
    played = tmp_path / "played.flv"
    player = peers.play(server.url("live/a"), played, ffmpeg=new_ffmpeg)
    server.wait_log("play live/a waits")
    publisher = peers.publish(clip, server.url("live/a"), ffmpeg=new_ffmpeg, is_paced=True)
    tracks = wait_for(lambda: server.stream("live/a").get("tracks", []), "the track")
    assert [track["codec"] for track in tracks] == [codec]
    publisher.succeed()
    player.succeed()
    media.assert_same(media.frames(played, new_ffmpeg), media.frames(clip, new_ffmpeg))


def test_second_video_and_audio_track_pass_too(
    server: Server, peers: Peers, new_ffmpeg: str, tmp_path: Path
) -> None:
    inputs = (*media.picture(2), *media.picture(2, "96x64"), *media.tone(2), *media.tone(2, 48000))
    tracks = ("-map", "0", "-map", "1", "-map", "2", "-map", "3")
    clip = media.make(new_ffmpeg, tmp_path / "clip.flv", *inputs, *tracks, *media.H264, *media.AAC)
    published = media.frames(clip, new_ffmpeg)
    assert sorted(published) == ["audio0", "audio1", "video0", "video1"]
    played = tmp_path / "played.flv"
    # It knows tracks, and does not say so.
    player = peers.play(server.url("live/a?tracks=all"), played, ffmpeg=new_ffmpeg)
    server.wait_log("play live/a waits")
    peers.publish(clip, server.url("live/a"), ffmpeg=new_ffmpeg).succeed()
    player.succeed()
    media.assert_same(media.frames(played, new_ffmpeg), published)
