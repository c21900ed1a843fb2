"""The cost of a tag that a program publishes and plays in its own process."""

import asyncio
from collections.abc import Callable, Iterator
from time import process_time
from typing import Final

import uvloop

from bench.endurance import Figure
from headend import Server
from headend.media.tag import AUDIO, VIDEO, Tag
from headend.testing import make_clip

MOST_US: Final = 5.0  # what issue 6 allows for a tag
GOP: Final = 60  # pictures
BODY: Final = bytes(8000)  # a picture of 2 Mbit/s at 30 a second
PLAYERS: Final = 10
LOOPS: Final[dict[str, Callable[[], asyncio.AbstractEventLoop]]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def embed(count: int, seconds: float = 4.0) -> Iterator[Figure]:
    """Microseconds of CPU for a tag, of publisher, hub and player together; CPU of decoding.

    Args:
        count: Tags of each run.
        seconds: Of media to decode.
    """
    for name, loop in LOOPS.items():
        with asyncio.Runner(loop_factory=loop) as runner:
            one = min(runner.run(cost(count, players=1, alone=False)) for _ in range(3))
            many = min(runner.run(cost(count, players=PLAYERS, alone=False)) for _ in range(3))
            alone = min(runner.run(cost(count, players=1, alone=True)) for _ in range(3))
            frames, arrays = runner.run(decoding(seconds))
        yield Figure(name, f"a tag, published and played (at most {MOST_US:g})", one, "µs")
        yield Figure(name, "each further player", (many - one) / (PLAYERS - 1), "µs")
        yield Figure(name, "a tag that wakes its player, a turn of the loop each", alone, "µs")
        yield Figure(name, "720p30 decoded, CPU of a core (at most 100)", frames, "%")
        yield Figure(name, "720p30 decoded into RGB arrays", arrays, "%")


async def cost(count: int, *, players: int, alone: bool) -> float:
    """Publish and play; return the CPU time of a tag in microseconds.

    Args:
        count: Tags.
        players: How many play it.
        alone: Each tag is taken before the next one comes, as in a live stream.
    """
    tags = [tag(number) for number in range(count)]
    async with Server() as server, asyncio.TaskGroup() as tasks:
        async with server.publish("live/a") as out:
            playing = [tasks.create_task(played(server)) for _ in range(players)]
            while len(server.services.registry.play("live/a")._sinks) < players:  # noqa: ASYNC110
                await asyncio.sleep(0)
            started = process_time()
            for each in tags:
                await out.write(each)
                if alone:
                    await asyncio.sleep(0)
        seen = [await task for task in playing]
        spent = process_time() - started
    assert seen == [count] * players, seen
    return spent / count * 1e6


async def played(server: Server) -> int:
    """Play to the end; return how many tags came."""
    count = 0
    async with server.stream("live/a") as player:
        async for _ in player:
            count += 1
    return count


def tag(number: int) -> Tag:
    """Return one of the tags of a stream with two sounds after each picture."""
    time = number * 11
    if number % 3:
        return Tag(AUDIO, time, b"\xaf\x01" + BODY[:300], False, False)
    is_keyframe = number % (3 * GOP) == 0
    head = b"\x17\x01\0\0\0" if is_keyframe else b"\x27\x01\0\0\0"
    return Tag(VIDEO, time, head + BODY, is_keyframe, False)


async def decoding(seconds: float) -> tuple[float, float]:
    """Decode 720p30 as fast as it goes.

    Args:
        seconds: Of media.

    Returns:
        CPU % of a core that it takes in real time: as frames, and as RGB arrays.
    """
    clip = make_clip(seconds, width=1280, height=720, frame_rate=30, gop=GOP)
    shares = []
    for as_arrays in (False, True):
        async with Server() as server, server.stream("live/a", limit=len(clip.tags)) as player:
            async with server.publish("live/a") as out:
                for each in clip.tags:
                    await out.write(each)
            started = process_time()
            frames = player.pictures() if as_arrays else player.frames()
            count = sum([1 async for _ in frames])
            shares.append(100 * (process_time() - started) / (count / 30))
    return shares[0], shares[1]
