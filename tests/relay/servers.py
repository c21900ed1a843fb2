"""Several servers in the loop of a test that relay to each other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.harness import FRAME, KEYFRAME, VIDEO_HEADER, Live, Peer, live_server

from headend.relay.relays import Relays


@asynccontextmanager
async def server(folder: Path, name: str, *settings: str) -> AsyncIterator[Live]:
    """Run a server with a data folder of its own."""
    async with live_server(folder / name, *settings) as live:
        yield live


def place(live: Live) -> str:
    """Return where a server listens, HOST:PORT."""
    return live.server.addresses["rtmp"][0]


def out(*urls: str, match: str = "live/*", more: str = "") -> str:
    """Write the setting of relays out."""
    items = (f'{{match="{match}", url="{url}"{more}}}' for url in urls)
    return f"relay.out=[{', '.join(items)}]"


def into(*urls: str, match: str = "live/*", more: str = "") -> str:
    """Write the setting of a relay in with several sources."""
    listed = ", ".join(f'"{url}"' for url in urls)
    return f'relay.in=[{{match="{match}", url=[{listed}]{more}}}]'


def targets(live: Live) -> list[dict[str, Any]]:
    """Return the streams of all relays of a server, as the API gives them."""
    relays = live.services.features[Relays].described()
    return [asdict(target) for relay in relays for target in relay.targets]


def states(live: Live) -> list[str]:
    return [target["state"] for target in targets(live)]


async def publish_pictures(publisher: Peer, count: int = 1, *, start: int = 0) -> list[bytes]:
    """Send a sequence header and some keyframes, each followed by a frame; return the bodies."""
    sent = [VIDEO_HEADER]
    await publisher.send_video(VIDEO_HEADER, start)
    for number in range(count):
        for kind in (KEYFRAME, FRAME):
            body = kind + number.to_bytes(4, "big")
            sent.append(body)
            await publisher.send_video(body, start + 40 * len(sent))
    return sent
