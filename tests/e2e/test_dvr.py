"""Tests of DVR and of recordings with a real publisher, Chromium and ffmpeg."""

import json
from pathlib import Path

import pytest
from tests.e2e import media
from tests.e2e.browser import OpenTab
from tests.e2e.conftest import StartServer
from tests.e2e.peers import Peers
from tests.e2e.wait import wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute with a keyframe each second."""
    file = tmp_path_factory.mktemp("clip") / "long.flv"
    options = (*media.picture(60), *media.tone(60), *media.H264, *media.AAC)
    return media.make("ffmpeg", file, *options, "-force_key_frames", "expr:gte(t,n_forced)")


def test_viewer_goes_back_and_to_live_again(
    start_server: StartServer, peers: Peers, long_clip: Path, open_tab: OpenTab
) -> None:
    server = start_server(
        'record.match=["live/*"]', "record.min_free_bytes=0", "hls.segment_s=1", "hls.segments=4"
    )
    peers.publish(long_clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    tab = open_tab(f"http://{server.http[0]}/watch/live/a?dvr=60")
    tab.wait("window.headend?.state === 'playing' && headend.currentTime > 0")
    # As far as it has been recorded, which is further than there is in memory.
    tab.wait("Number(document.getElementById('seek').min) < -12")
    assert tab.ask("document.getElementById('seek').value") == "0"
    before = tab.ask("video.currentTime")
    tab.ask("document.getElementById('seek').value = -10")
    tab.page.dispatch_event("#seek", "input")
    tab.page.dispatch_event("#seek", "change")
    tab.wait(f"video.currentTime < {before - 4} && !video.seeking && video.readyState > 2")
    place = tab.ask("video.currentTime")
    # It stays there, and goes on.
    tab.wait(f"video.currentTime > {place + 5}")
    assert tab.ask("Number(document.getElementById('seek').value)") < -5
    assert any("/recordings/" in address for address in tab.asked)
    tab.page.click("#live")
    tab.wait("document.getElementById('seek').value === '0' && !video.seeking")
    live = tab.ask("video.currentTime")
    tab.wait(f"video.currentTime > {live + 1}")
    assert tab.check() == []


def test_recording_has_what_was_published_as_it_was_published(
    start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    server = start_server('record.match=["live/*"]', "record.min_free_bytes=0")
    peers.publish(clip, server.url("live/a"))

    def ready() -> str:
        _, body = server.get("/api/v1/recordings", server.token)
        page = json.loads(body).get("recordings")  # the database may not be open yet
        return str(page[0]["id"]) if page and page[0]["state"] == "ready" else ""

    id = wait_for(ready, "a recording that is ready")
    wanted = media.hashes(media.frames(clip))
    for path in (f"/recordings/{id}.mp4", f"/recordings/{id}/index.m3u8"):
        made = media.make(
            "ffmpeg", tmp_path / "got.mkv", "-i", f"http://{server.http[0]}{path}", "-c", "copy"
        )
        assert media.hashes(media.frames(made)) == wanted, path
