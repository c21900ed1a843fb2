"""A look at Redis before a server is started: whether it answers, and who else is there."""

import asyncio
import re
import time
from dataclasses import dataclass
from typing import Final

from headend.cluster.redis_line import RedisLine
from headend.cluster.scripts import prefix_of

PINGS: Final = 3  # the fastest counts: the first one connects
_PREFIX: Final = re.compile(r"\{headend:[0-9a-f]{12}\}")


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """What Redis says.

    Attributes:
        version: Its version.
        answer_s: How long an answer takes, seconds.
        others: Clusters with another secret that have entries there.
    """

    version: str
    answer_s: float
    others: int


async def look(url: str, secret: bytes) -> RedisFacts:
    """Ask Redis; nothing is changed.

    Args:
        url: As in `cluster.redis`.
        secret: As in `cluster.secret`.

    Raises:
        SettingsError: The package redis is not installed, or the URL is none.
        DirectoryAway: Redis does not answer, or lets nobody in.
    """
    line = RedisLine(url)
    try:
        times = []
        for _ in range(PINGS):
            began = time.monotonic()
            version = await line.version()
            times.append(time.monotonic() - began)
        keys = await line.keys("{headend:*")
        found = {match[0] for each in keys if (match := _PREFIX.match(each))}
        return RedisFacts(version, min(times), len(found - {prefix_of(secret)}))
    finally:
        await line.close()


def look_now(url: str, secret: bytes) -> RedisFacts:
    """Do the same where no loop runs."""
    return asyncio.run(look(url, secret))
