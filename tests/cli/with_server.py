"""Commands run beside a server."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from tests.harness import KEYFRAME, VIDEO_HEADER, Live, live_server, until
from tests.harness import run as run_live


def with_server(
    data: Path, listen: tuple[str, ...], check: Callable[[Live], None], count: int = 1
) -> None:
    """Run a check in a thread beside a server with streams live/0, live/1 …"""

    async def main() -> None:
        async with live_server(data, *listen) as live:
            for number in range(count):
                publisher = await live.publisher(str(number))
                await publisher.send_video(VIDEO_HEADER)
                await publisher.send_video(KEYFRAME)
            await until(lambda: all(s.frames for s in live.services.registry.streams()))
            await asyncio.to_thread(check, live)

    run_live(main())
