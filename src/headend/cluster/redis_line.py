"""The line to Redis: commands with a limit, and the channel on which news comes."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

from headend.errors import HeadendError, SettingsError
from headend.settings.extras import require

if TYPE_CHECKING:
    pass

ANSWER_S: Final = 2.0  # for an answer of Redis
CONNECTIONS: Final = 64
BEAT_S: Final = 5.0  # without news; then the channel is asked whether it is there
MOST_LOOKED_AT: Final = 10_000  # keys of a Redis that others may use too
SCANNED: Final = 2000  # names that one step of a scan returns, about


class DirectoryAway(HeadendError):
    """Redis does not answer; the cause is chained."""


class RedisLine:
    """The connections of one member to Redis."""

    def __init__(self, url: str) -> None:
        """Prepare; a connection is made when one is needed.

        Args:
            url: As in `cluster.redis`.

        Raises:
            SettingsError: The package redis is not installed, or the URL is none.
        """
        require("redis", "cluster.redis")
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.exceptions import RedisError

        self._errors: Final = (RedisError, OSError, TimeoutError)
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS,
                timeout=ANSWER_S,
                socket_timeout=ANSWER_S,
                socket_connect_timeout=ANSWER_S,
                decode_responses=True,
            )
        except ValueError as error:
            raise SettingsError(f"cluster.redis: {error}") from None
        self._redis: Final[Redis] = Redis(connection_pool=pool)
        self._scripts: dict[str, Any] = {}

    async def run(self, script: str, prefix: str, *arguments: str | int) -> Any:
        """Run a script.

        Raises:
            DirectoryAway: No answer came.
        """
        known = self._scripts.get(script)
        if known is None:
            known = self._scripts[script] = self._redis.register_script(script)
        try:
            async with asyncio.timeout(ANSWER_S):
                return await known(keys=[prefix], args=arguments)
        except self._errors as error:
            raise away(error) from error

    async def send(self, channel: str, text: str) -> None:
        """Publish a message.

        Raises:
            DirectoryAway: No answer came.
        """
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._redis.publish(channel, text)
        except self._errors as error:
            raise away(error) from error

    async def hash(self, key: str) -> dict[str, str]:
        """Read a whole hash, in steps.

        Raises:
            DirectoryAway: No answer came.
        """
        found: dict[str, str] = {}
        cursor = 0
        try:
            while True:
                async with asyncio.timeout(ANSWER_S):
                    cursor, some = await self._redis.hscan(key, cursor, count=SCANNED)
                found.update(dict(some))  # type: ignore[arg-type]
                if not cursor:
                    return found
        except self._errors as error:
            raise away(error) from error

    async def version(self) -> str:
        """Return the version of Redis.

        Raises:
            DirectoryAway: No answer came.
        """
        try:
            async with asyncio.timeout(ANSWER_S):
                return str((await self._redis.info("server"))["redis_version"])
        except self._errors as error:
            raise away(error) from error

    async def keys(self, pattern: str) -> list[str]:
        """Return keys that fit a pattern, of the first so many that are looked at.

        Raises:
            DirectoryAway: No answer came.
        """
        try:
            async with asyncio.timeout(ANSWER_S):
                _, found = await self._redis.scan(0, pattern, count=MOST_LOOKED_AT)
                return [str(each) for each in found]
        except self._errors as error:
            raise away(error) from error

    async def listen(self, *channels: str) -> AsyncIterator[str | None]:
        """Subscribe; give `None` once that is done, then each message.

        Raises:
            DirectoryAway: The connection is lost.
        """
        channel = self._redis.pubsub()
        try:
            async with asyncio.timeout(ANSWER_S):
                await channel.subscribe(*channels)
            yield None
            while True:
                message = await channel.get_message(timeout=BEAT_S)
                if message is None:
                    async with asyncio.timeout(ANSWER_S):
                        await channel.ping()
                elif message["type"] == "message":
                    yield message["data"]
        except self._errors as error:
            raise away(error) from error
        finally:
            await channel.aclose()  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose()


def away(error: BaseException) -> DirectoryAway:
    """Return the error for a Redis that does not answer, in words without its URL."""
    text = str(error).partition("\n")[0] or type(error).__name__
    return DirectoryAway(f"Redis does not answer: {text}")
