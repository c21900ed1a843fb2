"""This program publishes a file of any kind in real time: publish.py FILE URL"""

import asyncio
import sys

from headend import client


async def publish(path: str, url: str) -> None:
    """Send the file, and go on when the connection was lost."""
    async with client.publish(url, reconnect=True) as out:
        await out.write_file(path)


asyncio.run(publish(sys.argv[1], sys.argv[2]))
