"""A page of the tests that plays HLS with hls.js and nothing else, and notes how it goes."""

from typing import Any

from bench.hls_page import WATCH, open_hls_page
from tests.e2e.browser import OpenTab, Tab
from tests.e2e.server import Server
from tests.e2e.wait import wait_for


def open_hls(
    open_tab: OpenTab, server: Server, path: str = "live/a", *, is_low: bool = True
) -> Tab:
    """Open a page that plays a stream; it need not have begun yet."""
    tab = open_tab()
    open_hls_page(tab.page, f"http://{server.http[0]}", path, is_low=is_low)
    tab.page.evaluate(WATCH)
    return tab


def seen(tab: Tab) -> dict[str, Any]:
    """Return what the page has noted."""
    return {**tab.ask("seen"), **tab.ask("noted")}


def wait_played(tab: Tab, seconds: float, limit_s: float = 30) -> None:
    """Wait until the page has played for so much longer than now."""
    position = "document.querySelector('video').currentTime"
    start = float(tab.ask(position))
    look = lambda: tab.ask("noted.begun") and tab.ask(position) >= start + seconds  # noqa: E731
    wait_for(look, f"{seconds} s played; {seen(tab)}", limit_s)
