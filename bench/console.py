"""The console in Chromium while many streams are live: first paint, and main thread of an update.

    python -m bench.console --streams 1000

A server is started, `headend bench ingest` publishes the streams, and the page notes what the
browser tells of itself: first contentful paint, when the rows are there, and long tasks.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, sync_playwright

CHROMIUM: Final = "/usr/bin/chromium"
# The browser is on a machine of its own elsewhere: what loads this one gives way.
BESIDE: Final = ("nice", "-n", "15")
UPDATES: Final = 10  # that are measured, one every 2 s
START_S: Final = 300

# What the page does when an update comes: it is read in one task, and drawn in another one.
WATCH: Final = """
window.noted = { long: [], updates: [] };
new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) noted.long.push([startTime, duration]);
}).observe({ type: 'longtask', buffered: true });
const listen = EventSource.prototype.addEventListener;
EventSource.prototype.addEventListener = function (name, call) {
  listen.call(this, name, (event) => {
    const began = performance.now();
    call(event);
    noted.updates.push([began, performance.now() - began, 0]);
  });
};
const frame = window.requestAnimationFrame;
window.requestAnimationFrame = (call) =>
  frame((now) => {
    const began = performance.now();
    call(now);
    const ended = performance.now();
    document.body.getBoundingClientRect(); // style and layout of what has changed
    const update = noted.updates.at(-1);
    if (!update) return;
    update[1] += ended - began;
    update[2] += performance.now() - ended;
  });
"""


def measure(streams: int, *, view: str) -> dict[str, object]:
    """Return the figures of one run."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder, "ready.json")
        server = subprocess.Popen(
            [
                *BESIDE,
                *(sys.executable, "-m", "headend", "serve", "--rtmp", "127.0.0.1:0"),
                *("--http", "127.0.0.1:0", "--tls", "off", "--srt", "off"),
                *("--data", folder, "--ready-file", str(ready), "--log-level", "warning"),
                *("--set", "limits.connections=20000"),
            ]
        )
        try:
            _until(ready.exists)
            addresses = json.loads(ready.read_text())
            token = Path(folder, "admin.token").read_text().strip()
            load = _publish(addresses["rtmp"][0], streams) if streams else None
            try:
                return _look(f"http://{addresses['http'][0]}", token, streams, view)
            finally:
                if load is not None:
                    load.terminate()
                    load.wait()
        finally:
            server.terminate()
            server.wait()


def _publish(address: str, streams: int) -> "subprocess.Popen[bytes]":
    url = f"rtmp://{address}/live/camera"
    arguments = ("--publishers", str(streams), "--kbps", "100", "--seconds", "3600")
    command = [*BESIDE, sys.executable, "-m", "headend", "bench", "ingest", *arguments, url]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _look(base: str, token: str, streams: int, view: str) -> dict[str, object]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_context(viewport={"width": 1280, "height": 860}).new_page()
        page.goto(f"{base}/console")
        page.get_by_label("Admin token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_selector("#shell:not([hidden])")
        page.evaluate(f"localStorage.setItem('headend-streams', '{view}')")
        _until(lambda: _live(page) >= streams)
        page.add_init_script(WATCH)
        page.reload()
        selector = "tbody tr" if view == "table" else ".cards > li"
        page.wait_for_selector(selector, timeout=60_000)
        filled = page.evaluate("performance.now()")
        _until(lambda: page.evaluate("noted.updates.length") > UPDATES)
        noted = page.evaluate("noted")
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        first, *updates = noted["updates"]
        long = [task for task in noted["long"] if task[0] > first[0] + first[1] + 500]
        browser.close()
    return {
        "streams": streams,
        "view": view,
        "first paint, ms": round(paint),
        "rows are there, ms": round(filled),
        "update, ms, script, median and longest": _spread([each[1] for each in updates]),
        "update, ms, with style and layout": _spread([each[1] + each[2] for each in updates]),
        "long tasks (50 ms) in updates": len(long),
        "longest task, ms": round(max((task[1] for task in long), default=0)),
    }


def _live(page: Page) -> int:
    text = page.locator(".figures dd").first.inner_text()
    return int(text.replace(",", "") or 0)


def _spread(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return round(ordered[len(ordered) // 2], 1), round(ordered[-1], 1)


def _until(condition: "object") -> None:
    assert callable(condition)
    end = time.monotonic() + START_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("bench.console: what was waited for did not come")
        time.sleep(0.2)


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    asked = parser.parse_args()
    for view in ("table", "cards"):
        print(json.dumps(measure(asked.streams, view=view), indent=2))


if __name__ == "__main__":
    main()
