"""A page of the tests that plays HLS with hls.js and nothing else, and notes how it goes.

The page comes from the server's own address, so that nothing stands between hls.js and the
playlists but the network; hls.js is the one that the player page has.
"""

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from tests.e2e.browser import OpenTab, Tab
from tests.e2e.server import Server
from tests.e2e.wait import wait_for

HLS_JS: Final = Path(__file__).parents[2] / "src/headend/web/libraries/hls.mjs"
STALL_MS: Final = 1000  # a picture that stands for so long is seen to
NAME: Final = "hls-test.html"

PAGE: Final = """<!doctype html><meta charset="utf-8"><video muted autoplay></video>
<script type="module">
import Hls from './hls-test.mjs';
const asked = new URLSearchParams(location.search);
const video = document.querySelector('video');
const seen = (window.seen = { stalls: [], errors: [], fatal: 0, requests: 0, begun: 0 });
const hls = (window.hls = new Hls({
  lowLatencyMode: asked.get('low') === '1',
  enableWorker: false,
  backBufferLength: Infinity,
}));
hls.on(Hls.Events.FRAG_LOADING, () => (seen.requests += 1));
hls.on(Hls.Events.ERROR, (_, { details, fatal }) => {
  seen.errors.push(details);
  if (fatal) seen.fatal += 1;
});
hls.loadSource(asked.get('source'));
hls.attachMedia(video);
let [time, moved] = [0, 0];
setInterval(() => {
  const now = performance.now();
  if (video.currentTime !== time) {
    if (!seen.begun) seen.begun = now;
    else if (now - moved > asked.get('stall')) seen.stalls.push([Math.round(moved), now - moved]);
    [time, moved] = [video.currentTime, now];
  }
  seen.stands = seen.begun && now - moved > asked.get('stall');
}, 50);
window.played = () => video.currentTime;
window.size = () => [video.videoWidth, video.videoHeight];
</script>"""


def open_hls(
    open_tab: OpenTab, server: Server, path: str = "live/a", *, is_low: bool = True
) -> Tab:
    """Open a page that plays a stream; it need not have begun yet."""
    base = f"http://{server.http[0]}"
    tab = open_tab()
    tab.page.route(
        f"{base}/{NAME}**", lambda route: route.fulfill(body=PAGE, content_type="text/html")
    )
    tab.page.route(
        f"{base}/hls-test.mjs",
        lambda route: route.fulfill(path=HLS_JS, content_type="text/javascript"),
    )
    query = {"source": f"/{path}/index.m3u8", "low": int(is_low), "stall": STALL_MS}
    tab.page.goto(f"{base}/{NAME}?{urlencode(query)}")
    return tab


def seen(tab: Tab) -> dict[str, Any]:
    """Return what the page has noted."""
    return dict(tab.ask("seen"))


def wait_played(tab: Tab, seconds: float, limit_s: float = 30) -> None:
    """Wait until the page has played for so much longer than now."""
    start = float(tab.ask("played()"))
    look = lambda: tab.ask("seen.begun") and tab.ask("played()") >= start + seconds  # noqa: E731
    wait_for(look, f"{seconds} s played; {seen(tab)}", limit_s)
