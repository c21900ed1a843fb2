"""An encoder tested with pytest: pytest test_encoder.py

The encoder is ffmpeg here; put your own in its place. The fixtures come with headend.
"""

import subprocess
from collections.abc import Callable, Iterator

import pytest

from headend.testing import PeerPlaying, ServerThread

ENCODER = (
    *("ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=25"),
    *("-f", "lavfi", "-i", "sine=sample_rate=44100", "-c:v", "libx264", "-preset", "ultrafast"),
    *("-g", "25", "-sc_threshold", "0", "-b:v", "400k", "-c:a", "aac", "-f", "flv"),
)


@pytest.fixture
def encoder(headend_server: ServerThread) -> Iterator["subprocess.Popen[bytes]"]:
    """The encoder, while it publishes to the server of the test."""
    with subprocess.Popen([*ENCODER, headend_server.url("live/test")]) as process:
        yield process
        process.kill()


def test_stream_is_what_platforms_ask_for(
    encoder: "subprocess.Popen[bytes]", rtmp_player: Callable[..., PeerPlaying]
) -> None:
    recording = rtmp_player("live/test").wait_media(2000)
    recording.assert_starts_with_keyframe().assert_no_gap(100).assert_decodes()
    recording.assert_tracks("avc1", "mp4a.40.2", width=320, height=180)
    recording.assert_keyframe_interval(at_most_ms=2000).assert_bit_rate(at_most=2_000_000)


def test_encoder_notices_that_the_server_is_gone(
    encoder: "subprocess.Popen[bytes]", headend_server: ServerThread
) -> None:
    headend_server.wait_stream("live/test")
    headend_server.faults.reset("live/test")
    assert encoder.wait(20) != 0


def test_encoder_survives_a_network_that_stalls(
    encoder: "subprocess.Popen[bytes]",
    headend_server: ServerThread,
    rtmp_player: Callable[..., PeerPlaying],
) -> None:
    headend_server.wait_stream("live/test")
    with headend_server.faults.stall("live/test"), pytest.raises(subprocess.TimeoutExpired):
        encoder.wait(1)
    rtmp_player("live/test").wait_media(1000).assert_decodes()
