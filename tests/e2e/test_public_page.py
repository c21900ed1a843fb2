"""Tests of the public page in Chromium."""

import signal
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.e2e.browser import OpenTab
from tests.e2e.conftest import StartServer
from tests.e2e.peers import Peers

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_stream_comes_and_goes_on_the_public_page_and_leads_to_its_player(
    scheme: str, start_server: StartServer, peers: Peers, clip: Path, open_tab: OpenTab
) -> None:
    server = start_server("auth.private=vip/*")
    peers.publish(clip, server.url("vip/a"), is_endless=True)
    server.wait_media("vip/a")
    tab = open_tab(f"http://{server.http[0]}/", color_scheme=scheme)
    expect(tab.page.get_by_text("Nothing is live at the moment.")).to_be_visible()
    assert tab.check() == []
    publisher = peers.publish(clip, server.url("live/a&b"), is_endless=True)
    link = tab.page.get_by_role("link", name="live/a&b")
    expect(link).to_be_visible()
    tab.wait("document.querySelector('.tile img').naturalWidth")
    assert tab.check() == []
    assert "vip/a" not in tab.page.content()
    link.click()
    tab.page.wait_for_url("**/watch/live/a%26b")
    tab.page.go_back()
    publisher.send(signal.SIGINT)
    expect(link).to_have_count(0)


def test_page_that_is_not_there_says_so_and_leads_on(
    start_server: StartServer, open_tab: OpenTab
) -> None:
    server = start_server()
    tab = open_tab(f"http://{server.http[0]}/live/nothing/here")
    expect(tab.page.get_by_role("heading", name="There is nothing here")).to_be_visible()
    assert tab.check() == []
    tab.page.get_by_role("link", name="To the start page").click()
    expect(tab.page.get_by_role("heading", name="Live now")).to_be_visible()
