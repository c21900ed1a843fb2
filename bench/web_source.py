"""The picture of `headend demo` with the time in it, published for a browser to read.

Below the box stands the time in ms, in 32 squares, white for 1 and black for 0, the highest bit
first. A page that reads them knows how old the picture is that it shows, from drawing to screen.

    python -m bench.web_source rtmp://127.0.0.1/live/bench
"""

import asyncio
import sys
import time
from contextlib import aclosing
from typing import Final

from headend import client
from headend.cli.signal_source import batches
from headend.codec.signal_picture import BLACK, WHITE, SignalPicture
from headend.sources.feed import in_thread

BITS: Final = 32
CELL: Final = 24  # pixels
PICTURE: Final = SignalPicture()
CODE_Y: Final = PICTURE.box_y + PICTURE.box + 4


def coded(plane: bytes, time_ms: int) -> bytes:
    """Draw a time into a Y plane."""
    levels = (WHITE if time_ms >> bit & 1 else BLACK for bit in range(BITS))
    row = b"".join(bytes((level,)) * CELL for level in reversed(list(levels)))
    drawn = bytearray(plane)
    for y in range(CODE_Y, CODE_Y + CELL):
        start = y * PICTURE.width
        drawn[start : start + len(row)] = row
    return bytes(drawn)


def draw(clock: str, frame: int) -> bytes:
    """Draw the Y plane of a frame, and the time it is."""
    return coded(PICTURE.luma(clock, frame), int(time.time() * 1000) & 0xFFFF_FFFF)


async def publish(url: str) -> None:
    """Publish until the server goes."""
    async with client.publish(url) as out, aclosing(in_thread(batches(draw))) as feed:
        async for tags in feed:
            for tag in tags:
                await out.write(tag)


if __name__ == "__main__":
    asyncio.run(publish(sys.argv[1]))
