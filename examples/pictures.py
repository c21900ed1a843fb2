"""This program publishes pictures that it draws with NumPy: pictures.py URL [SECONDS]"""

import asyncio
import sys
from itertools import count

import numpy as np

from headend import Encoding, client

WIDTH, HEIGHT, FRAME_RATE = 640, 360, 30


def draw(time: float) -> "np.ndarray":
    """Draw waves of three colours that travel; 0 to 255, height × width × 3."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    colours = [np.sin(x / 40 + time * 2), np.sin(y / 30 - time), np.sin((x + y) / 50 + time)]
    return (127 + 100 * np.stack(colours, axis=-1)).astype(np.uint8)


async def publish(url: str, seconds: float) -> None:
    """Each picture waits until its time has come."""
    async with client.publish(url) as out:
        out.encoding = Encoding(frame_rate=FRAME_RATE, is_paced=True)
        for number in count():
            if number / FRAME_RATE >= seconds:
                break
            await out.write_frame(draw(number / FRAME_RATE))


asyncio.run(publish(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else float("inf")))
