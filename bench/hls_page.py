"""A page that plays HLS with hls.js and nothing else, and notes how it goes.

The page comes from the server's own address, so that nothing stands between hls.js and the
playlists but the network. hls.js and its configuration are those of the player page.
"""

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

WEB: Final = Path(__file__).parent.parent / "src/headend/web"
NAME: Final = "hls-test.html"
FILES: Final = {  # what the page imports, by the name it has beside it
    "hls-test-hls.mjs": WEB / "libraries/hls.mjs",
    "hls-test-config.mjs": WEB / "player/hls_config.js",
}

PAGE: Final = """<!doctype html><meta charset="utf-8"><video muted autoplay></video>
<script type="module">
import Hls from './hls-test-hls.mjs';
import { CONFIG } from './hls-test-config.mjs';
const asked = new URLSearchParams(location.search);
const video = document.querySelector('video');
const hls = (window.hls = new Hls({ ...CONFIG, lowLatencyMode: asked.get('low') === '1' }));
const seen = (window.seen = { errors: [], fatal: 0, requests: 0 });
hls.on(Hls.Events.FRAG_LOADING, () => (seen.requests += 1));
hls.on(Hls.Events.ERROR, (_, { details, fatal }) => {
  seen.errors.push(details);
  if (fatal) seen.fatal += 1;
});
hls.loadSource(asked.get('source'));
hls.attachMedia(video);
</script>"""

# Notes how long the picture stands each time, and when the page itself got no turn for long: a
# machine that is busy has its players starve, whatever it is that they play.
WATCH: Final = """() => {
  const video = document.querySelector('video');
  const noted = (window.noted = { begun: 0, stalls: [], stands: 0, late: [] });
  let [time, at] = [video.currentTime, performance.now()];
  setInterval(() => {
    const now = performance.now();
    const [passed, played] = [(now - at) / 1000, video.currentTime - time];
    [time, at] = [video.currentTime, now];
    if (passed > 0.2 && noted.begun) noted.late.push((now - noted.begun) / 1000);
    if (!noted.begun) {
      if (played > 0) noted.begun = now;
    } else if (played < passed / 2) {
      noted.stands += passed - Math.max(0, played);
    } else {
      if (noted.stands > 0) noted.stalls.push([(now - noted.begun) / 1000, noted.stands]);
      noted.stands = 0;
    }
  }, 25);
}"""


def open_hls_page(page: Any, base: str, path: str, *, is_low: bool = True) -> None:
    """Have a page of Chromium play a stream with hls.js; it need not have begun yet.

    Args:
        page: Of Playwright.
        base: Address of the server, `http://HOST:PORT`.
        path: Of the stream, `APP/NAME`.
        is_low: Follow the parts, not the segments.
    """
    page.route(f"{base}/{NAME}**", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
    for name, file in FILES.items():
        page.route(f"{base}/{name}", _giver(file))
    page.goto(f"{base}/{NAME}?{urlencode({'source': f'/{path}/index.m3u8', 'low': int(is_low)})}")
    page.unroute_all()  # or each request of hls.js takes a turn of this program


def _giver(file: Path) -> Any:
    return lambda route: route.fulfill(path=file, content_type="text/javascript")
