"""This program publishes an FLV file in real time: publish.py FILE URL"""

import asyncio
import sys
from pathlib import Path

from headend import client
from headend.media import flv
from headend.media.tag import Tag


async def publish(tags: list[Tag], url: str) -> None:
    """Send every tag when its time has come."""
    loop = asyncio.get_running_loop()
    async with client.publish(url) as out:
        start = loop.time()
        for tag in tags:
            await asyncio.sleep(start + tag.timestamp / 1000 - loop.time())
            await out.write(tag)


reader = flv.Reader()
reader.receive_data(Path(sys.argv[1]).read_bytes())
asyncio.run(publish(reader.tags(), sys.argv[2]))
