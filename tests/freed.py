"""What connections that are gone have left behind, while nothing looks for reference cycles.

async with nothing_left(live) as left:
    for _ in range(left.times):
        ...  # one comes and goes
"""

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import CoroutineType, FrameType, FunctionType

from tests.harness import Live, until

# Values that are kept on purpose, a bounded number of them: what happened, for history and audit;
# lines of the log, by a test; and what its own peers read with.
KEPT = frozenset(
    {
        "headend.events.SessionStarted",
        "headend.events.SessionEnded",
        "headend.events.RequestRefused",
        "headend.store.records.StoredSession",
        "headend.store.records.AuditEntry",
        "headend.live.rates.RateSample",
        "headend.net.peer.Peer",
        "headend.rtmp.chunks.ChunkReader",
        "headend.rtmp.chunks.ChunkLimits",
        "headend.net.deadlines._Entry",  # they hold nothing, see `nothing_left`
    }
)
LIMIT_S = 40.0  # for last words to be read, and questions to a slow database to be given up
# Connections of the database's pool, which are opened when they are needed and stay: a few.
POOLED = "headend.store.lines."
PACKAGES = ("headend.", "aiohttp.")
PATHS = ("/src/headend/", "/aiohttp/")  # not the tests, whatever the folder is called


def _name(each: object) -> str:
    """Name what an object is, if it is of the server or of aiohttp; else empty."""
    if isinstance(each, FunctionType):
        name = f"{each.__module__}.{each.__qualname__}"
        return name if name.startswith(PACKAGES) else ""
    code = None
    if isinstance(each, FrameType):
        code = each.f_code
    elif isinstance(each, CoroutineType):
        code = each.cr_code
    if code is not None:
        is_ours = any(path in code.co_filename for path in PATHS)
        return f"{type(each).__name__} of {code.co_qualname}" if is_ours else ""
    kind = type(each)
    name = f"{kind.__module__}.{kind.__qualname__}"
    return name if name.startswith(PACKAGES) and name not in KEPT else ""


def made_since_freezing() -> Counter[str]:
    """Count the objects of the server, and of aiohttp, that are there and not frozen."""
    names = map(_name, gc.get_objects())
    return Counter(name for name in names if name and not name.startswith(POOLED))


class Left:
    """How often a test does what it does.

    Attributes:
        times: More often than anything is made by accident, such as a cache that grows.
    """

    times = 5


@asynccontextmanager
async def nothing_left(live: Live) -> AsyncIterator[Left]:
    """Fail unless everything that is made within has been freed, by counting references alone."""
    deadlines = live.services.deadlines
    gc.collect()
    gc.freeze()  # what is there already is not listed any more
    gc.disable()
    try:
        yield Left()

        def is_free() -> bool:
            return max(made_since_freezing().values(), default=0) < Left.times

        try:
            async with asyncio.timeout(LIMIT_S):
                await until(is_free)
        except TimeoutError:
            found = made_since_freezing()
            raise AssertionError({k: v for k, v in found.items() if v >= Left.times}) from None
        heap = [entry.item for _, _, entry in deadlines._heap]
        assert len([item for item in heap if item is not None]) == len(deadlines._entries)
    finally:
        gc.enable()
        gc.unfreeze()
