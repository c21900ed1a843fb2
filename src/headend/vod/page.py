"""The page of a media file, with a player that seeks: `/watch/vod/PATH`."""

from typing import TYPE_CHECKING, Final

from aiohttp import web

from headend.errors import MediaError
from headend.features.routes import HttpRoute
from headend.http import access
from headend.http.paths import stream_path
from headend.http.problems import Problem
from headend.record.page import page, told
from headend.vod.values import APP

if TYPE_CHECKING:
    from headend.vod.files import MediaFiles

ROUTE: Final = f"/watch/{APP}/{{path:.+}}"
NOT_THERE: Final = "There is no such file"


class VodPage:
    """The route of the page."""

    def __init__(self, files: "MediaFiles") -> None:
        """Take the files."""
        self._files: Final = files

    def routes(self) -> list[HttpRoute]:
        """List the addresses."""
        return [HttpRoute(ROUTE, self.get)]

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Give the page; to clients that may not watch too, whom it tells why."""
        path = f"{APP}/{request.match_info['path']}"
        status, state = await self._look(request, path)
        return await page(self._files.services, request, status, state)

    async def _look(self, request: web.Request, path: str) -> tuple[int, dict[str, object]]:
        """Return the status, and what the page reads."""
        try:
            grant = await access.allow_play(self._files.services, request, stream_path(path), "hls")
            media = await self._files.find_file(grant.path)
            if media is None:
                return 404, told(path, problem=(NOT_THERE, "It may have another name."))
            index = await self._files.library.index(media)
        except MediaError as error:
            return 422, told(path, problem=("This file cannot be played", f"{error}."))
        except Problem as problem:
            if problem.status == 403:
                needs_token = self._files.services.gate.policy.is_private(path)
                problem_text = ("This file is private", problem.detail)
                return 200, told(path, needs_token=needs_token, problem=problem_text)
            if problem.status == 404:
                return 404, told(path, problem=(NOT_THERE, problem.detail))
            raise
        return 200, told(path, path, duration_s=index.duration_s)
