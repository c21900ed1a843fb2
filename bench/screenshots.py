"""Pictures of all pages for the manuals: light and dark, wide and narrow.

    python -m bench.screenshots docs/images

A server is started with three test pictures from ffmpeg; Chromium opens its pages.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM: Final = "/usr/bin/chromium"
STREAMS: Final = ("stadium", "studio", "street")
SIZES: Final = {"wide": (1280, 860), "narrow": (390, 844)}
SECTIONS: Final = (
    *("streams", "sessions", "recordings", "keys", "relays", "webhooks", "history", "audit"),
    *("server", "settings"),
)
START_S: Final = 60
SETTLE_MS: Final = 4000  # pictures, graphs and players


def main() -> None:
    """Make the pictures, in the folder that the command line names."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder, "ready.json")
        running = [_server(folder, ready)]
        try:
            _until(ready.exists)
            addresses = json.loads(ready.read_text())
            running += [_camera(addresses["rtmp"][0], name) for name in STREAMS]
            base = f"http://{addresses['http'][0]}"
            token = Path(folder, "admin.token").read_text().strip()
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
                )
                for scheme in ("light", "dark"):
                    for size in SIZES:
                        _pictures(browser, base, token, out, scheme, size)
                browser.close()
        finally:
            for process in reversed(running):
                process.terminate()
                process.wait()


def _server(folder: str, ready: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "headend", "serve", "--rtmp", "127.0.0.1:0"),
            *("--http", "127.0.0.1:0", "--tls", "127.0.0.1:0", "--srt", "off"),
            *("--data", folder, "--ready-file", str(ready), "--log-level", "warning"),
            *("--set", 'auth.private=["vip/*"]', "--set", 'record.match=["live/studio"]'),
        ]
    )


def _camera(address: str, name: str) -> "subprocess.Popen[bytes]":
    inputs = "-re -f lavfi -i testsrc2=s=1280x720:r=25 -f lavfi -i sine=440:r=48000"
    codecs = "-c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -g 50 -c:a aac"
    told = ("-metadata", f"title=The {name}, live", "-metadata", "description=A test picture.")
    url = f"rtmp://{address}/live/{name}"
    command = ["ffmpeg", "-v", "error", *inputs.split(), *codecs.split(), *told, "-f", "flv", url]
    return subprocess.Popen(command)


def _pictures(browser: Browser, base: str, token: str, out: Path, scheme: str, size: str) -> None:
    width, height = SIZES[size]
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": height},
    )
    page = context.new_page()
    for name, path in (
        ("public", "/"),
        ("player", "/watch/live/stadium"),
        ("player-offline", "/watch/live/nobody"),
        ("player-private", "/watch/vip/a"),
        ("nothing", "/nothing/here"),
    ):
        page.goto(base + path)
        _take(page, out / f"{name}-{scheme}-{size}.png")
    page.goto(f"{base}/console")
    _take(page, out / f"console-sign-in-{scheme}-{size}.png")
    page.get_by_label("Admin token").fill(token)
    page.keyboard.press("Enter")
    page.wait_for_selector("#shell:not([hidden])")
    for section in SECTIONS:
        page.goto(f"{base}/console#{section}")
        _take(page, out / f"console-{section}-{scheme}-{size}.png")
    context.close()


def _take(page: Page, path: Path) -> None:
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=path)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + START_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("screenshots: what was waited for did not come")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
