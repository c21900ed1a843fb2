"""The asyncio client: `publish` and `play` one stream of any server.

async with publish("rtmp://host/app/name") as out:
    await out.write(tag)

async with play("rtmp://host/app/name") as stream:
    async for tag in stream:
        ...
"""

from headend.client.player import Player, play
from headend.client.publisher import Publisher, publish
from headend.client.reconnect import Reconnect
from headend.client.timeouts import Timeouts
from headend.codec import Encoding
from headend.net.tls_client import TlsOptions
from headend.outputs.tag_queue import Policy

__all__ = [
    "Encoding",
    "Player",
    "Policy",
    "Publisher",
    "Reconnect",
    "Timeouts",
    "TlsOptions",
    "play",
    "publish",
]
