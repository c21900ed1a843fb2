"""This program tells about a stream once for each keyframe: watch.py URL"""

import asyncio
import sys

from headend import client


async def watch(url: str) -> None:
    """Count what comes between two keyframes, until the stream ends."""
    size = start = 0
    async with client.play(url) as stream:
        async for tag in stream:
            if tag.is_keyframe:
                if tag.timestamp > start:
                    rate = 8 * size / (tag.timestamp - start)  # bits per ms
                    print(f"{tag.timestamp / 1000:.1f} s: {rate:.0f} kbit/s", flush=True)
                size, start = 0, tag.timestamp
            size += len(tag.body)


asyncio.run(watch(sys.argv[1]))
