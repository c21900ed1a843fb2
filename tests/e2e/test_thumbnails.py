"""Tests of pictures of streams that a real FFmpeg publishes, in every codec it has."""

import os
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.e2e import media
from tests.e2e.enhanced import CODECS, encoders
from tests.e2e.peers import Peers
from tests.e2e.server import Server
from tests.e2e.wait import LIMIT_S, wait_for
from tests.pictures import decode_jpeg

pytestmark = pytest.mark.e2e

PICTURES = {"h264": (media.H264, "-an"), **{n: CODECS[n] for n in ("hevc", "av1", "vp9")}}


def jpeg(server: Server, path: str, width: int = 160) -> bytes:
    """Ask for a picture; empty while there is no keyframe."""
    address = f"http://{server.http[0]}/{path}/thumbnail.jpg?width={width}"
    try:
        with urllib.request.urlopen(address, timeout=LIMIT_S) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        if error.code != 503:
            raise
        error.close()
        return b""


def workers(server: Server) -> list[int]:
    """Return the processes that the server started."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return [int(word) for word in children.read_text().split()]


@pytest.mark.parametrize("codec", PICTURES)
def test_picture_of_what_ffmpeg_publishes(
    codec: str, server: Server, peers: Peers, new_ffmpeg: str, tmp_path: Path
) -> None:
    options, without = PICTURES[codec]
    if options[1] not in encoders(new_ffmpeg):
        pytest.skip(f"this FFmpeg has no {options[1]}")
    # Colour bars: the middle of the picture is green.
    inputs = ("-f", "lavfi", "-i", "smptebars=size=320x176:rate=25:duration=1.2", without)
    clip = media.make(new_ffmpeg, tmp_path / "clip.flv", *inputs, *options)
    peers.publish(clip, server.url("live/a"), ffmpeg=new_ffmpeg, is_endless=True)
    server.wait_media("live/a")
    size, (red, green, blue) = decode_jpeg(wait_for(lambda: jpeg(server, "live/a"), "a picture"))
    assert size == (160, 88)
    assert green > max(red, blue) + 60


def test_decoder_starts_when_it_is_needed_and_its_death_harms_nobody(
    server: Server, peers: Peers, clip: Path
) -> None:
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    assert workers(server) == []
    wait_for(lambda: jpeg(server, "live/a"), "a picture")
    (worker,) = workers(server)
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: not workers(server), "its end")
    assert jpeg(server, "live/a", 320)
    (worker,) = workers(server)
    assert server.stream("live/a")["state"] == "live"
    server.stop()
    assert not Path(f"/proc/{worker}").exists()
