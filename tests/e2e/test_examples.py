"""Tests of the examples."""

import json
import re
import sys
from pathlib import Path

import pytest
from tests.e2e import media
from tests.e2e.examples import EXAMPLES
from tests.e2e.peers import Peers
from tests.e2e.server import environ
from tests.e2e.wait import wait_for

from headend.testing import ServerThread

pytestmark = pytest.mark.e2e


def test_scripts_publish_and_list_streams(
    headend_server: ServerThread, peers: Peers, clip: Path
) -> None:
    peers.run(str(EXAMPLES / "publish-ffmpeg.sh"), str(clip), headend_server.url("live/f"))
    peers.run(str(EXAMPLES / "publish-gstreamer.sh"), headend_server.url("live/g"))
    headend_server.wait_stream("live/f")
    headend_server.wait_stream("live/g")
    data, address = headend_server.settings.data, headend_server.addresses["http"][0]
    listing = peers.run(str(EXAMPLES / "streams.sh"), str(data), address)
    listing.succeed()
    streams = json.loads(listing.output())["streams"]
    assert sorted(stream["path"] for stream in streams) == ["live/f", "live/g"]


def test_ffmpeg_line_of_the_readme_publishes_picture_and_sound(
    headend_server: ServerThread, peers: Peers
) -> None:
    readme = (EXAMPLES.parent / "README.md").read_text()
    (line,) = re.findall(r"^ffmpeg -re .*?(?<!\\)$", readme, re.MULTILINE | re.DOTALL)
    assert "rtmp://127.0.0.1/live/a" in line
    publisher = line.replace("rtmp://127.0.0.1/live/a", headend_server.url("live/a"))
    peers.run("sh", "-c", f"exec {publisher}")

    def codecs() -> set[str]:
        tracks = headend_server.streams().get("live/a", {"tracks": []})["tracks"]
        return {str(track["codec"]) for track in tracks}

    wait_for(lambda: codecs() == {"h264", "aac"}, "picture and sound")
    health = headend_server.streams()["live/a"]["health"]
    assert [finding["text"] for finding in health] == ["all is well"]


def test_script_records_what_python_publishes_and_watches(
    headend_server: ServerThread, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    url, recorded = headend_server.url("live/a"), tmp_path / "recorded.mkv"
    recorder = peers.run(str(EXAMPLES / "record.sh"), url, str(recorded))
    watcher = peers.run(sys.executable, str(EXAMPLES / "watch.py"), url, environ=environ())
    headend_server.wait_stream("live/a", state="waiting", viewers=2)
    publish = (sys.executable, str(EXAMPLES / "publish.py"), str(clip), url)
    peers.run(*publish, environ=environ()).succeed()
    recorder.succeed()
    watcher.succeed()
    assert "s: " in watcher.output()
    assert "kbit/s" in watcher.output()
    media.assert_same(media.frames(recorded), media.frames(clip))
