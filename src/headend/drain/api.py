"""The API's part about the drain of a server: begin, state, undo."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from aiohttp import web

from headend.drain.drain import DrainState
from headend.features.routes import Route
from headend.http.api.route import V1
from headend.http.problems import Problem

if TYPE_CHECKING:
    from headend.drain.drain import Drain

DRAIN: Final = f"{V1}/drain"


def routes(drain: "Drain") -> Sequence[Route]:
    """List the operations."""

    async def state(request: web.Request) -> DrainState:
        return drain.state()

    async def begin(request: web.Request) -> DrainState:
        drain.begin()
        return drain.state()

    async def undo(request: web.Request) -> None:
        if not drain.undo():
            raise Problem(409, "The server does not drain.")

    return (
        Route("GET", DRAIN, "Whether the server drains, and who is left.", state, DrainState),
        Route("POST", DRAIN, "Take nobody new, wait until all have left, then stop.", begin,
              DrainState, action="server.drain"),
        Route("DELETE", DRAIN, "Call the drain off, and serve as before.", undo, statuses=(409,),
              action="server.undrain"),
    )  # fmt: skip
