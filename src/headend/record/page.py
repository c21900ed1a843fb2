"""The page of a recording, with a player that seeks: `/watch/recordings/ID`."""

import json
from typing import TYPE_CHECKING, Final

from aiohttp import web

from headend.errors import DatabaseError
from headend.features.routes import HttpRoute
from headend.http import access
from headend.http.api.sign_in import COOKIE
from headend.http.assets import ASSETS
from headend.http.problems import Problem
from headend.http.watch import page_headers
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
        title = str(state["stream"] or state["problem_title"])
        values = {"title": title, "state": json.dumps(state)}
        return web.Response(
            text=await request.app[ASSETS].page(request, "recording.html", values),
            status=status,
            content_type="text/html",
            headers=page_headers(self._services),
        )

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
            return 200, _told(id, None, "This recording is private", problem.detail)
        state = _told(id, known)
        state["is_signed_in"] = COOKIE in request.cookies
        return 200, state


def _told(
    id: str, known: KnownRecording | None, title: str = "", problem: str = ""
) -> dict[str, object]:
    recording = None if known is None else known.recording
    return {
        "id": id,
        "stream": "" if recording is None else recording.stream,
        "started": 0 if recording is None else recording.started,
        "duration_s": 0 if recording is None else recording.duration_s,
        "is_signed_in": False,
        "jumps": [] if known is None else known.listing.jumps,
        "is_over": recording is not None and recording.state != "recording",
        "problem_title": title,
        "problem": problem,
    }
