"""Tests of quality, sound and captions on the player page, and of Chromium's own HLS player."""

import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect
from tests.e2e.browser import OpenTab
from tests.e2e.peers import Peers
from tests.e2e.server import Server
from tests.e2e.wait import wait_for

pytestmark = pytest.mark.e2e

MASTER = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",LANGUAGE="en",DEFAULT=YES,URI="en.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Deutsch",LANGUAGE="de",URI="de.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="English",LANGUAGE="en",URI="vtt.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=400000,RESOLUTION=320x176,CODECS="avc1.42c01e,mp4a.40.2",AUDIO="a",SUBTITLES="s"
high.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=200000,RESOLUTION=160x96,CODECS="avc1.42c01e,mp4a.40.2",AUDIO="a",SUBTITLES="s"
low.m3u8
"""
LIST = "#EXTM3U\n#EXT-X-TARGETDURATION:60\n#EXTINF:60,\nen.vtt\n#EXT-X-ENDLIST\n"
CAPTION = "WEBVTT\n\n00:00:00.000 --> 00:01:00.000\nGood evening\n"
VIDEO = "-c:v libx264 -preset ultrafast -profile:v baseline -pix_fmt yuv420p -g 25 -an"
SOUND = "-c:a aac -vn"


@pytest.fixture(scope="module")
def renditions(ffmpeg: str, media_folder: Path) -> Path:
    """HLS in two qualities, with sound and captions to choose from; a minute."""
    folder = media_folder / "renditions"
    folder.mkdir()
    inputs = {
        "high": ("testsrc2=s=320x176:r=25:d=60", VIDEO),
        "low": ("testsrc2=s=160x96:r=25:d=60", VIDEO),
        "en": ("sine=440:d=60", SOUND),
        "de": ("sine=880:d=60", SOUND),
    }
    for name, (source, codecs) in inputs.items():
        subprocess.run(
            [
                *(ffmpeg, "-v", "error", "-f", "lavfi", "-i", source),
                *codecs.split(),
                *("-f", "hls", "-hls_time", "4", "-hls_playlist_type", "vod"),
                *("-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", f"{name}.mp4"),
                folder / f"{name}.m3u8",
            ],
            check=True,
        )
    (folder / "index.m3u8").write_text(MASTER)
    (folder / "vtt.m3u8").write_text(LIST)
    (folder / "en.vtt").write_text(CAPTION)
    return folder


def test_quality_sound_and_captions_are_chosen_where_there_are_several(
    server: Server, peers: Peers, clip: Path, renditions: Path, open_tab: OpenTab
) -> None:
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    tab = open_tab()

    def give(route: Route) -> None:
        route.fulfill(path=renditions / route.request.url.rpartition("/")[2].partition("?")[0])

    for ending in ("m3u8", "m4s", "mp4", "vtt"):
        tab.page.route(f"**/live/a/*.{ending}", give)
    tab.page.goto(f"http://{server.http[0]}/watch/live/a?mode=hls")
    tab.wait("headend.state === 'playing'")
    tab.page.get_by_role("button", name="Settings").click()
    menu = tab.page.get_by_role("group", name="Settings")
    expect(menu.get_by_label("Quality").locator("option")).to_have_count(3)
    menu.get_by_label("Quality").select_option("96p")
    tab.wait("video.videoHeight === 96")
    menu.get_by_label("Quality").select_option("176p")
    tab.wait("video.videoHeight === 176")
    menu.get_by_label("Sound").select_option("Deutsch")
    expect(menu.get_by_label("Sound")).to_have_value("1")
    wait_for(lambda: tab.ask("1") and any("/de.mp4" in url for url in tab.asked), "the other sound")
    captions = tab.page.get_by_role("button", name="Captions")
    expect(captions).to_have_attribute("aria-pressed", "false")
    captions.click()
    tab.page.get_by_role("button", name="Settings").click()  # a touch beside it has closed it
    expect(menu.get_by_label("Captions")).to_have_value("en English")
    tab.wait(
        "[...video.textTracks].some(({ activeCues: all }) => all?.[0]?.text === 'Good evening')"
    )
    assert tab.check() == []
    menu.get_by_label("Captions").select_option("Off")
    expect(captions).to_have_attribute("aria-pressed", "false")
    menu.get_by_label("Way of playing").select_option("Low latency (FLV)")
    tab.wait("headend.way === 'WebSocket-FLV' && headend.state === 'playing'")
    expect(captions).to_be_hidden()
    expect(menu.get_by_label("Quality")).to_be_hidden()


def test_chromium_plays_hls_by_itself_from_the_first_request(
    server: Server, peers: Peers, clip: Path, open_tab: OpenTab
) -> None:
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    tab = open_tab(f"http://{server.http[0]}/healthz")
    if not tab.ask("document.createElement('video').canPlayType('application/vnd.apple.mpegurl')"):
        pytest.skip("this Chromium does not play HLS by itself")
    tab.ask(
        "(window.own = document.createElement('video'), own.muted = true, "
        "own.src = '/live/a/index.m3u8', document.body.append(own), own.play(), 1)"
    )
    tab.wait("own.error?.message || own.currentTime > 1")
    assert tab.ask("own.error?.message") is None
