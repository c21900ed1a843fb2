"""The cost of playing for a client: tags, frames and arrays of 720p30, live."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, process_time
from typing import Final

from bench.endurance import Figure
from bench.servers import start_headend, wait_ready
from bench.tools import BenchError
from headend.cli.bench_server import stop
from headend.client import Player, play
from headend.media import flv
from headend.testing import make_clip

MOST_PERCENT: Final = 100.0  # of a core, for decoded frames: what issue 6 allows
FRAME_RATE: Final = 30
CLIP_S: Final = 4.0
START_S: Final = 1.0  # of a stream before it is measured: the join brings what the server has kept

Form = Callable[[Player], AsyncIterator[object]]
FORMS: Final[dict[str, Form]] = {
    "tags": lambda stream: stream,
    "packets": lambda stream: stream.packets(),
    f"frames (at most {MOST_PERCENT:g})": lambda stream: stream.frames(),
    "arrays of bgr24": lambda stream: stream.pictures("bgr24"),
}


def client(seconds: float) -> Iterator[Figure]:
    """CPU of this process, in percent of a core, for a stream that another one publishes.

    Args:
        seconds: Length of each window.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headend-bench-")))
        server = start_headend(folder, (), http="127.0.0.1:0")
        stack.callback(stop, server)
        rtmp, http = wait_ready(server, folder), wait_ready(server, folder, "http")
        publisher = subprocess.Popen(
            [
                *(sys.executable, "-m", "headend", "publish", "--loop", str(_clip(folder))),
                f"rtmp://127.0.0.1:{rtmp}/live/a",
            ],
            text=True,
        )
        stack.callback(stop, publisher)
        urls = {
            "RTMP": f"rtmp://127.0.0.1:{rtmp}/live/a",
            "HTTP-FLV": f"http://127.0.0.1:{http}/live/a.flv",
            "HLS": f"http://127.0.0.1:{http}/live/a/index.m3u8",
        }
        for protocol, url in urls.items():
            for name, form in FORMS.items():
                cost, rate = asyncio.run(_cost(url, form, seconds))
                yield Figure(protocol, f"720p30 as {name}, CPU of a core", cost, "%")
                if "frames" in name:
                    yield Figure(protocol, f"frames a second, of {FRAME_RATE}", rate, "1/s")


def _clip(folder: Path) -> Path:
    clip = make_clip(CLIP_S, width=1280, height=720, frame_rate=FRAME_RATE, gop=2 * FRAME_RATE)
    path = folder / "clip.flv"
    tags = b"".join(map(flv.serialize_tag, clip.tags))
    path.write_bytes(flv.serialize_header(has_audio=True, has_video=True) + tags)
    return path


async def _cost(url: str, form: Form, seconds: float) -> tuple[float, float]:
    """Return percent of a core, and items a second."""
    async with play(url) as stream:
        items = form(stream)
        await _take(lambda: anext(items), START_S)
        used, began = process_time(), monotonic()
        count = await _take(lambda: anext(items), seconds)
        spent = monotonic() - began
        return 100 * (process_time() - used) / spent, count / spent


async def _take(item: Callable[[], Awaitable[object]], seconds: float) -> int:
    """Take items for a while; return how many."""
    end = monotonic() + seconds
    count = 0
    while monotonic() < end:
        try:
            await item()
        except StopAsyncIteration:
            raise BenchError("the stream ended") from None
        count += 1
    return count
