"""The API's part about streams: lists, one of them, its history, its end."""

from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import web
from pydantic import Field

from headend.features.routes import Route, Schema
from headend.http import thumbnail
from headend.http.api import models
from headend.http.api.route import PAGE, V1, number, page_limit, read_body
from headend.http.problems import Problem
from headend.hub.stream import StreamState
from headend.live import status
from headend.live.rates import RateHistory
from headend.live.services import Services
from headend.live.titles import DESCRIPTION_CHARACTERS, TITLE_CHARACTERS
from headend.thumbnails.thumbnails import DEFAULT_WIDTH

_WIDTH: Final[Mapping[str, Schema]] = {
    "width": {"type": "integer", "minimum": 1, "maximum": 99999, "default": DEFAULT_WIDTH},
}

LONGEST_BAR_S: Final = 30 * 86_400
_BAR: Final[Mapping[str, Schema]] = {
    "bar_s": {
        "type": "integer",
        "minimum": 1,
        "maximum": LONGEST_BAR_S,
        "description": "Keep its encoder away for so many seconds.",
    },
}


class BarList(models.Model):
    """Streams whose encoders are kept away."""

    bars: dict[str, float] = Field(description="Seconds that are left, by stream.")


class StreamChange(models.Model):
    """What is changed of a stream; null leaves it, an empty text has the publisher's own back."""

    title: str | None = Field(None, max_length=TITLE_CHARACTERS)
    description: str | None = Field(None, max_length=DESCRIPTION_CHARACTERS)


def routes(services: Services) -> Sequence[Route]:
    """List the operations."""
    api = _Streams(services)
    stream = f"{V1}/streams/{{path}}"
    return (
        Route("GET", f"{V1}/streams", "Streams, by name.", api.streams, models.Streams,
              query=PAGE),
        Route("GET", f"{V1}/rates/{{path}}", "A stream second by second.", api.rates,
              RateHistory, statuses=(404,)),
        Route("GET", stream, "One stream.", api.stream, status.StreamStatus, statuses=(404,)),
        Route("PATCH", stream, "Set title and description of a stream, until it ends.", api.change,
              status.StreamStatus, body=StreamChange, statuses=(404,), action="stream.change"),
        Route("DELETE", stream, "End a stream and its publisher's session.", api.end_stream,
              query=_BAR, statuses=(404,), action="stream.end"),
        Route("GET", f"{V1}/bars", "Streams whose encoders are kept away.", api.bars, BarList),
        Route("DELETE", f"{V1}/bars/{{path}}", "Let a stream be published again.", api.lift,
              statuses=(404,), action="bar.lift"),
        Route("GET", f"{V1}/thumbnails/{{path}}", "The newest picture of a stream.",
              api.thumbnail, query=_WIDTH, content_type="image/jpeg", statuses=(400, 404, 503)),
    )  # fmt: skip


def no_stream() -> Problem:
    """Return the problem for a stream that is not there."""
    return Problem(404, "There is no such stream now.", title="Stream not found")


class _Streams:
    def __init__(self, services: Services) -> None:
        self._services: Final = services

    async def streams(self, request: web.Request) -> models.Streams:
        limit, after = page_limit(request), request.query.get("after", "")
        known = sorted(status.listed(self._services), key=lambda stream: stream.path)
        rest = [stream for stream in known if stream.path > after]
        page = await status.in_turns(self._services, rest[:limit])
        following = rest[limit - 1].path if len(rest) > limit else None
        return models.Streams(streams=page, total=len(known), next=following)

    async def stream(self, request: web.Request) -> status.StreamStatus:
        stream = status.stream(self._services, request.match_info["path"])
        if stream is None:
            raise no_stream()
        return stream

    async def rates(self, request: web.Request) -> RateHistory:
        path = request.match_info["path"]
        if self._services.registry.stream(path) is None:
            raise no_stream()
        return self._services.rates.history(path)

    async def change(self, request: web.Request) -> status.StreamStatus:
        change = await read_body(request, StreamChange)
        path = request.match_info["path"]
        stream = self._services.registry.stream(path)
        if stream is None or not stream.has_begun:
            raise no_stream()
        self._services.titles.set(stream, change.title, change.description)
        return await self.stream(request)

    async def end_stream(self, request: web.Request) -> None:
        path = request.match_info["path"]
        seconds = request.query.get("bar_s")
        bar_s = 0 if seconds is None else number("bar_s", seconds, LONGEST_BAR_S)
        publishers = [each for each in self._services.sessions if path in each.publishing]
        known = self._services.registry.stream(path)
        if bar_s and known is not None and known.state is not StreamState.ENDED:
            self._services.bars.bar(path, bar_s)  # before its grants are over
        if not self._services.registry.end(path):
            raise no_stream()
        for session in publishers:
            session.kick()

    async def bars(self, request: web.Request) -> BarList:
        return BarList(bars=self._services.bars.left())

    async def lift(self, request: web.Request) -> None:
        if not self._services.bars.lift(request.match_info["path"]):
            raise Problem(404, "Nothing is barred by this name.", title="Bar not found")

    async def thumbnail(self, request: web.Request) -> web.Response:
        """Give a thumbnail to an administrator, who needs no playback token."""
        return await thumbnail.thumbnail(self._services, request, request.match_info["path"])
