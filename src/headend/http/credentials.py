"""Credentials of viewers over HTTP: a token, parameters, or a ticket that stands for them.

Authorizers are shown the parameters of an address, without those that are the server's own. The
addresses that a playlist names carry a token as it is; for other parameters, which may be a user's
name and password, they carry a ticket (`headend.access.tickets`).
"""

import time
from typing import Final
from urllib.parse import quote

from aiohttp import web

from headend.decisions import Address
from headend.http.problems import Problem
from headend.live.services import Services

TICKET: Final = "_ticket"
DIRECTIVES: Final = "_HLS_"  # names of a player's parameters begin so (RFC 8216bis, 6.2.5)
OF_LIVE: Final = "dvr"  # parameter of live playlists: how far they reach back
OF_PICTURES: Final = ("width", "wait")  # parameters of thumbnails and of the player page


def parameters_of(
    services: Services, request: web.Request, path: str, protocol: str, address: Address | None
) -> dict[str, str]:
    """Return the parameters that a viewer shows, with those that its ticket stands for.

    Of parameters with the same name the first one counts. A ticket for another place, or one whose
    time is over, stands for nothing.

    Args:
        services: Services of the server that made the ticket.
        request: The request of the viewer.
        path: `APP/NAME` of the stream that it asks for.
        protocol: hls and http have parameters of the server's own.
        address: Address of the viewer.
    """
    shown = {name: request.query[name] for name in request.query}
    if protocol == "http":
        return {name: value for name, value in shown.items() if name not in OF_PICTURES}
    if protocol != "hls":
        return shown
    ticket = shown.pop(TICKET, "")
    own = {
        name: value
        for name, value in shown.items()
        if not name.startswith(DIRECTIVES) and name != OF_LIVE
    }
    stands_for = (
        services.access.tickets.read(ticket, path, address, time.time()) if ticket else None
    )
    return own | (stands_for or {})


def query_of_children(
    services: Services, request: web.Request, path: str, address: Address | None
) -> str:
    """Return the query that the addresses in a playlist have, with its question mark.

    Raises:
        Problem: 414: the parameters are longer than a ticket can be.
    """
    carried = {}
    if token := request.query.get("token"):
        carried["token"] = token
    if services.gate.asks("play"):
        shown = parameters_of(services, request, path, "hls", address)
        shown.pop("token", None)
        if shown:
            carried[TICKET] = _ticket(services, request, path, address, shown)
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in carried.items())
    return f"?{query}" if query else ""


def _ticket(
    services: Services,
    request: web.Request,
    path: str,
    address: Address | None,
    shown: dict[str, str],
) -> str:
    """Return the ticket that a viewer came with, as long as it says the same, or a new one."""
    tickets, now = services.access.tickets, time.time()
    known = request.query.get(TICKET, "")
    if known and tickets.read(known, path, address, now) == shown:
        return known
    made = tickets.make(shown, path, address, now)
    if made is None:
        raise Problem(414, "The parameters of this address are too long for HLS to carry them on.")
    return made
