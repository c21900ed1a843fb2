"""Problem documents (RFC 9457), which tell HTTP clients what went wrong."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web

from headend.errors import Refusal, Rejected
from headend.logs import shown
from headend.rtmp.refusals import told_code

log = logging.getLogger(__name__)

CONTENT_TYPE: Final = "application/problem+json"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Problem(Exception):
    """What a handler raises to answer with an error.

    Attributes:
        status: HTTP status code, 400 to 599.
        detail: One line for a person: what was wrong, and what to do.
        title: What the status means here; its standard phrase if none is given.
        headers: Sent with the answer.
        code: As an RTMP peer would be told; empty: none.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        title: str | None = None,
        headers: Mapping[str, str] | None = None,
        code: str = "",
    ) -> None:
        super().__init__(status, detail)
        self.status: Final = status
        self.detail: Final = detail
        self.title: Final = HTTPStatus(status).phrase if title is None else title
        self.headers: Final = headers or {}
        self.code: Final = code

    def __str__(self) -> str:
        return f"{self.status} {self.title}: {self.detail}"

    def with_headers(self, headers: Mapping[str, str]) -> "Problem":
        """Return the same problem with more headers; its own headers stay as they are."""
        more = {**headers, **self.headers}
        return Problem(self.status, self.detail, title=self.title, headers=more, code=self.code)

    def response(self) -> web.Response:
        """Build the answer."""
        document = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.code:
            document["code"] = self.code
        return web.Response(
            body=json.dumps(document).encode(),
            status=self.status,
            content_type=CONTENT_TYPE,
            headers=self.headers,
        )


# Refusals that are no matter of what the client may do; any other has status 403.
_STATUSES: Final = {Refusal.NOT_FOUND: 404, Refusal.BUSY: 503, Refusal.STOPPING: 503}
_RETRY_S: Final = 5


def problem_of(rejected: Rejected) -> Problem:
    """Return the problem that tells a viewer of a refusal."""
    status = _STATUSES.get(rejected.refusal, 403)
    if status == 404:
        return Problem(404, f"{rejected.description}.", title="Stream not found")
    if status == 503:
        return Problem(503, rejected.description, headers={"Retry-After": str(_RETRY_S)})
    return Problem(status, rejected.description, code=told_code(rejected, "play"))


def wants_json(request: web.Request) -> bool:
    """Say whether a client asks for JSON where a browser gets a page."""
    return "application/json" in request.headers.get("Accept", "")


@web.middleware
async def tell_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with a problem document whatever a handler raises.

    An exception that something else keeps, such as the request's body, loses its traceback: its
    frames hold the request, and with it the connection.
    """
    try:
        return await handler(request)
    except Problem as problem:
        problem.__traceback__ = None
        return problem.response()
    except Rejected as rejected:
        return problem_of(rejected).response()
    except web.HTTPException as error:
        error.__traceback__ = None
        return _of_aiohttp(error)
    except Exception as error:
        if isinstance(error, ConnectionError | TimeoutError) and _has_left(request):
            raise  # nobody is there to be answered
        log.exception("http %s %s failed: a bug", request.method, shown(request.path))
        return Problem(500, "The server failed: its log tells more.").response()


def _has_left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _of_aiohttp(error: web.HTTPException) -> web.Response:
    """Put into our words what aiohttp answers by itself."""
    if error.status < 400:
        return web.Response(status=error.status, headers=error.headers)
    detail = error.text or error.reason
    if isinstance(error, web.HTTPNotFound):
        detail = "There is nothing at this address."
    return Problem(error.status, detail).response()
