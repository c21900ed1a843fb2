"""The page of a recording, with a player that seeks: `/watch/recordings/ID`."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from aiohttp import web

from headend.errors import DatabaseError
from headend.features.routes import HttpRoute
from headend.http import access
from headend.http.api.sign_in import COOKIE
from headend.http.assets import ASSETS
from headend.http.problems import Problem
from headend.http.watch import page_headers
from headend.live.services import Services
from headend.record.known import KnownRecording
from headend.record.on_demand import ANOTHER

if TYPE_CHECKING:
    from headend.record.recordings import Recordings

ROUTE: Final = "/watch/recordings/{id:[0-9A-Za-z][0-9A-Za-z_-]{0,35}}"


class RecordingPage:
    """The route of the page."""

    def __init__(self, recordings: "Recordings") -> None:
        self._recordings: Final = recordings
        self._services: Final = recordings.services

    def routes(self) -> list[HttpRoute]:
        """List the addresses."""
        return [HttpRoute(ROUTE, self.get)]

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Give the page; to clients that may not watch too, whom it tells why."""
        status, state = await self._state(request)
        return await page(self._services, request, status, state)

    async def _state(self, request: web.Request) -> tuple[int, dict[str, object]]:
        """Return the status, and what the page reads; its keys are those of `_told`."""
        id = request.match_info["id"]
        try:
            known = await self._recordings.known.get(id)
            if known is None:
                return 404, _told(id, None, "There is no such recording", "It may be deleted.")
            stream = known.recording.stream
            grant = await access.allow_play(self._services, request, stream, "hls")
            if grant.path != stream:
                raise Problem(403, ANOTHER)
            if COOKIE in request.cookies:  # who may cut clips is told where they begin
                await self._recordings.known.listed(known)
        except DatabaseError:
            return 503, _told(id, None, "The server is busy", "Try again in a minute.")
        except Problem as problem:
            if problem.status != 403:
                raise
            state = _told(id, None, "This recording is private", problem.detail)
            return 200, state | {"needs_token": self._services.gate.policy.is_private(stream)}
        state = _told(id, known)
        state["is_signed_in"] = COOKIE in request.cookies
        return 200, state


async def page(
    services: Services, request: web.Request, status: int, state: dict[str, object]
) -> web.Response:
    """Give the page, which reads the values of `told`."""
    title = str(state["stream"] or state["problem_title"])
    values = {"title": title, "state": json.dumps(state)}
    return web.Response(
        text=await request.app[ASSETS].page(request, "recording.html", values),
        status=status,
        content_type="text/html",
        headers=page_headers(services),
    )


def told(
    place: str,
    stream: str = "",
    *,
    id: str = "",
    started: float = 0.0,
    duration_s: float = 0.0,
    is_over: bool = True,
    jumps: Sequence[object] = (),
    needs_token: bool = False,
    problem: tuple[str, str] = ("", ""),
) -> dict[str, object]:
    """Return what the page reads.

    Args:
        place: What the addresses of the media begin with.
        stream: Its name, for people; empty: they may not know.
        id: Id of the recording.
        started: When it began, Unix seconds; 0: that is not known, and it is no recording.
        duration_s: How long it is, as far as that is known.
        is_over: It is whole.
        jumps: Where its timeline has gaps, see `SegmentList.jumps`.
        needs_token: Viewers show a token, which the page asks for.
        problem: Why it is not played: a title, and a line more.
    """
    return {
        "id": id,
        "place": place,
        "stream": stream,
        "started": started,
        "duration_s": duration_s,
        "is_signed_in": False,
        "jumps": jumps,
        "is_over": is_over,
        "needs_token": needs_token,
        "problem_title": problem[0],
        "problem": problem[1],
    }


def _told(
    id: str, known: KnownRecording | None, title: str = "", problem: str = ""
) -> dict[str, object]:
    place = f"recordings/{id}"
    if known is None:
        return told(place, id=id, is_over=False, problem=(title, problem))
    recording = known.recording
    return told(
        place,
        recording.stream,
        id=id,
        started=recording.started,
        duration_s=recording.duration_s,
        is_over=recording.state != "recording",
        jumps=known.listing.jumps,
        problem=(title, problem),
    )
