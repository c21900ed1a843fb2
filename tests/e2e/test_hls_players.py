"""Tests of HLS with hls.js in Chromium, alone: what it makes of the playlists."""

from pathlib import Path

import pytest
from tests.e2e import media
from tests.e2e.browser import OpenTab
from tests.e2e.conftest import StartServer
from tests.e2e.hls_page import open_hls, wait_played
from tests.e2e.peers import Peers

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds with a keyframe each second."""
    file = tmp_path_factory.mktemp("clip") / "long.flv"
    options = (*media.picture(8), *media.tone(8), *media.H264, *media.AAC)
    return media.make("ffmpeg", file, *options, "-force_key_frames", "expr:gte(t,n_forced)")


@pytest.mark.parametrize("is_low", [True, False], ids=["low", "plain"])
def test_player_that_was_away_goes_on_though_packaging_has_ended_and_begun_again(
    is_low: bool,
    start_server: StartServer,
    peers: Peers,
    long_clip: Path,
    open_tab: OpenTab,
) -> None:
    server = start_server("hls.idle_s=5")
    peers.publish(long_clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    tab = open_hls(open_tab, server, is_low=is_low)
    wait_played(tab, 1)
    tab.page.context.set_offline(True)
    server.wait_log("hls live/a: packaging ends")
    tab.page.context.set_offline(False)
    server.wait_log("hls live/a: packaging begins", 2)
    wait_played(tab, 3)
