"""Pictures of all pages: light and dark, wide and narrow, with 0, 3 and many streams.

    python -m bench.screenshots FOLDER              all of them, to be looked at
    python -m bench.screenshots docs/images manuals those that the manuals show

A server is started with three test pictures from ffmpeg; Chromium opens its pages.
"""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM: Final = "/usr/bin/chromium"
STREAMS: Final = ("stadium", "studio", "street")
SIZES: Final = {"wide": (1280, 860), "narrow": (390, 844)}
MANY: Final = 1000
SECTIONS: Final = (
    *("streams", "sessions", "recordings", "keys", "relays", "webhooks", "history", "audit"),
    *("nodes", "server", "settings"),
)
PAGES: Final = {
    "public": "/",
    "player": "/watch/live/stadium",
    "player-offline": "/watch/live/nobody",
    "player-private": "/watch/vip/a",
    "nothing": "/nothing/here",
}
# Of these the manuals show a picture, light and wide.
SHOWN: Final = ("public", "player", "console-streams", "console-nodes", "console-settings")
START_S: Final = 60
MANY_S: Final = 300  # until so many publish
JPEG_QUALITY: Final = 60
SETTLE_MS: Final = 4000  # pictures, graphs and players


def main() -> None:
    """Make the pictures, in the folder that the command line names."""
    if len(sys.argv) < 2:
        raise SystemExit("usage: python -m bench.screenshots FOLDER [manuals]")
    out, is_for_manuals = Path(sys.argv[1]), "manuals" in sys.argv[2:]
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder, "ready.json")
        running = [_server(folder, ready)]
        try:
            _until(ready.exists)
            addresses = json.loads(ready.read_text())
            base = f"http://{addresses['http'][0]}"
            token = Path(folder, "admin.token").read_text().strip()
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
                )
                camera = Camera(browser, base, token, out)
                if not is_for_manuals:
                    camera.take_all({"public": "/"}, ("streams", "nodes"), "-0")
                running += [_publish(addresses["rtmp"][0], name) for name in STREAMS]
                if is_for_manuals:
                    camera.take_shown()
                else:
                    camera.take_all(PAGES, SECTIONS)
                    running.append(_publish_many(addresses["rtmp"][0]))
                    _until(lambda: camera.live() >= MANY, MANY_S)
                    camera.take_all({"public": "/"}, ("streams", "nodes"), f"-{MANY}")
                browser.close()
        finally:
            for process in reversed(running):
                process.terminate()
                process.wait()


def _server(folder: str, ready: Path) -> "subprocess.Popen[bytes]":
    file = Path(folder, "headend.toml")
    file.write_text('auth.private = ["vip/*"]\nrecord.match = ["live/studio"]\n')
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "headend", "serve", "--rtmp", "127.0.0.1:0"),
            *("--http", "127.0.0.1:0", "--tls", "127.0.0.1:0", "--srt", "off"),
            *("--data", folder, "--ready-file", str(ready), "--log-level", "warning"),
            *("-c", str(file)),
        ]
    )


def _publish(address: str, name: str) -> "subprocess.Popen[bytes]":
    inputs = "-re -f lavfi -i testsrc2=s=1280x720:r=25 -f lavfi -i sine=440:r=48000"
    codecs = "-c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -g 50 -c:a aac"
    told = ("-metadata", f"title=The {name}, live", "-metadata", "description=A test picture.")
    url = f"rtmp://{address}/live/{name}"
    command = ["ffmpeg", "-v", "error", *inputs.split(), *codecs.split(), *told, "-f", "flv", url]
    return subprocess.Popen(command)


def _publish_many(address: str) -> "subprocess.Popen[bytes]":
    load = ("--publishers", str(MANY), "--kbps", "20", "--seconds", "3600")
    command = [sys.executable, "-m", "headend", "bench", "ingest", *load]
    return subprocess.Popen(
        [*command, f"rtmp://{address}/live/camera"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


class Camera:
    """Takes the pictures.

    Attributes:
        browser: Chromium.
        base: Begin of the server's addresses.
        token: The admin token.
        out: Folder of the pictures.
    """

    def __init__(self, browser: Browser, base: str, token: str, out: Path) -> None:
        self.browser, self.base, self.token, self.out = browser, base, token, out

    def take_all(self, pages: Mapping[str, str], sections: Sequence[str], mark: str = "") -> None:
        """Take pages and sections of the console, light and dark, wide and narrow."""
        for scheme in ("light", "dark"):
            for size in SIZES:
                end = f"{mark}-{scheme}-{size}.png"
                page = self._page(scheme, size)
                for name, path in pages.items():
                    page.goto(self.base + path)
                    self._take(page, name + end)
                self._sign_in(page, f"console-sign-in{end}")
                for section in sections:
                    page.goto(f"{self.base}/console#{section}")
                    self._take(page, f"console-{section}{end}")
                page.context.close()

    def take_shown(self) -> None:
        """Take those that the manuals show, small ones."""
        page = self._page("light", "wide")
        self._sign_in(page)
        for name in SHOWN:
            section = name.removeprefix("console-")
            page.goto(self.base + PAGES.get(name, f"/console#{section}"))
            page.wait_for_timeout(SETTLE_MS)
            page.screenshot(path=self.out / f"{name}.jpg", type="jpeg", quality=JPEG_QUALITY)
        page.context.close()

    def live(self) -> int:
        """Return how many streams are live."""
        request = urllib.request.Request(f"{self.base}/api/v1/server")
        request.add_header("Authorization", f"Bearer {self.token}")
        with urllib.request.urlopen(request) as answer:
            return int(json.load(answer)["streams"])

    def _page(self, scheme: str, size: str) -> Page:
        width, height = SIZES[size]
        return self.browser.new_context(
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": width, "height": height},
        ).new_page()

    def _sign_in(self, page: Page, picture: str = "") -> None:
        page.goto(f"{self.base}/console")
        page.wait_for_selector("#gate:not([hidden])")
        if picture:
            self._take(page, picture)
        page.get_by_label("Admin token").fill(self.token)
        page.keyboard.press("Enter")
        page.wait_for_selector("#shell:not([hidden])")

    def _take(self, page: Page, name: str) -> None:
        page.wait_for_timeout(SETTLE_MS)
        page.screenshot(path=self.out / name)


def _until(condition: Callable[[], bool], limit_s: float = START_S) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("screenshots: what was waited for did not come")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
