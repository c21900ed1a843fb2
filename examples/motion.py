"""This program watches a stream and says when something moves: motion.py URL [PER CENT]

Pictures that come while it is busy are left out: it always looks at the newest one.
"""

import asyncio
import sys
from contextlib import aclosing

import numpy as np

from headend import client

CHANGED = 25  # of 255: noise of the encoder is less
HISTORY = 0.1  # weight of the newest picture in what is taken for the background


async def watch(url: str, share: float) -> None:
    """Compare every picture with the mean of those before it."""
    background = None
    is_moving = False
    async with (
        client.play(url) as stream,
        aclosing(stream.pictures("gray", policy="newest")) as pictures,
    ):
        async for picture in pictures:
            seen = picture.astype(np.float32)
            if background is None:
                background = seen
            moved = 100 * np.mean(np.abs(seen - background) > CHANGED)
            background += HISTORY * (seen - background)
            if (moved > share) != is_moving:
                is_moving = not is_moving
                print(f"motion: {moved:.1f} %" if is_moving else "still", flush=True)
    print(f"the stream is over; {stream.frames_skipped} pictures were left out")


asyncio.run(watch(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 1.0))
