"""Tests of GStreamer as the publisher."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e import media
from tests.e2e.peers import Peers

from headend.testing import PeerPlaying, ServerThread

pytestmark = pytest.mark.e2e

PICTURE = (
    "videotestsrc num-buffers=50 ! video/x-raw,width=160,height=96,framerate=25/1"
    f" ! x264enc speed-preset=ultrafast key-int-max={media.GOP} ! h264parse ! queue"
)
TONE = (
    "audiotestsrc num-buffers=86 samplesperbuffer=1024 ! audio/x-raw,rate=44100,channels=1"
    " ! avenc_aac ! aacparse ! queue"
)


@pytest.mark.parametrize("sink", ["rtmp2sink", "rtmpsink"])
def test_gstreamer_publishes_and_ffmpeg_plays(
    sink: str, headend_server: ServerThread, peers: Peers, tmp_path: Path
) -> None:
    url, sent, played = headend_server.url("live/a"), tmp_path / "sent.flv", tmp_path / "played.flv"
    player = peers.play(url, played)
    headend_server.wait_stream("live/a", state="waiting", viewers=1)
    peers.gstreamer(
        f"flvmux name=mux streamable=true ! tee name=tee ! queue ! {sink} location={url}",
        f"tee. ! queue ! filesink location={sent}",
        f"{PICTURE} ! mux. {TONE} ! mux.",
    ).succeed()
    player.succeed()
    media.assert_same(media.frames(played), media.frames(sent))


def test_live_picture_of_gstreamer_is_watched_from_the_middle(
    headend_server: ServerThread,
    rtmp_player: Callable[..., PeerPlaying],
    peers: Peers,
    tmp_path: Path,
) -> None:
    url, sent, played = headend_server.url("live/a"), tmp_path / "sent.flv", tmp_path / "played.flv"
    publisher = peers.gstreamer(
        f"flvmux name=mux streamable=true ! tee name=tee ! queue ! rtmp2sink location={url}",
        f"tee. ! queue ! filesink location={sent}",
        PICTURE.replace("videotestsrc", "videotestsrc is-live=true") + " ! mux.",
    )
    rtmp_player("live/a").wait_media(600).assert_starts_with_keyframe().assert_tracks("avc1")
    player = peers.play(url, played)
    publisher.succeed()
    player.succeed()
    media.assert_joined(media.frames(played), media.frames(sent))
