"""This module decides over HTTP who may watch, and for which web pages."""

from ipaddress import ip_address
from typing import Final

from aiohttp import web

from headend.access.address_lists import AddressList
from headend.access.decisions import AccessRequest
from headend.errors import Rejected
from headend.server.http.problems import Problem
from headend.server.peer import LOCAL, Peer
from headend.server.services import Services
from headend.server.session_record import tell_refused
from headend.settings.http_values import ANY_ORIGIN

HSTS_S: Final = 365 * 24 * 3600
# Browsers that came over HTTPS use it from now on (RFC 6797).
HSTS_HEADERS: Final = {"Strict-Transport-Security": f"max-age={HSTS_S}"}


async def allow_play(services: Services, request: web.Request, path: str) -> None:
    """Return if the client may watch a stream.

    Args:
        services: Whose policy decides.
        request: May show a playback token: `?token=`.
        path: `APP/NAME`.

    Raises:
        Problem: 403, or 503 while the server stops.
    """
    if services.is_stopping:
        raise Problem(503, "The server is stopping.")
    asked = AccessRequest(
        "play",
        path,
        peer_of(services, request).address,
        token=request.query.get("token"),
        is_secure=is_secure(services, request),
    )
    try:
        services.policy.decide(asked)
    except Rejected as rejected:
        services.counters.rejected += 1
        protocol = "https" if asked.is_secure else "http"
        tell_refused(services, "play", path, peer_of(services, request), protocol, rejected)
        raise Problem(403, rejected.description) from None


def allow_api(services: Services, request: web.Request) -> None:
    """Return if API and metrics may be used from where a request comes.

    Raises:
        Problem: 403.
    """
    auth = services.settings.auth
    addresses = AddressList(auth.api_from, auth.api_not_from)
    if not addresses.allows(peer_of(services, request).address):
        raise Problem(403, "This is not given to your address (auth.api_from, auth.api_not_from).")


def peer_of(services: Services, request: web.Request) -> Peer:
    """Say where a request comes from; a proxy of `http.proxies` is believed who it came to.

    Of several addresses in X-Forwarded-For the last one counts that is no such proxy: what stands
    before it was written by somebody else.
    """
    peer = _direct_peer(request)
    proxies = services.settings.http.proxies
    if not _is_proxy(services, peer):
        return peer
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", ()))
    for text in reversed(forwarded.split(",")):
        try:
            named = Peer.at(text.strip(), 0)
        except ValueError:
            break
        peer = named
        if not peer.is_in(proxies):
            break
    return peer


def is_secure(services: Services, request: web.Request) -> bool:
    """Say whether a client came over TLS, to us or to a proxy of `http.proxies`."""
    if request.secure:
        return True
    is_told = request.headers.get("X-Forwarded-Proto", "").strip().lower() == "https"
    return is_told and _is_proxy(services, _direct_peer(request))


def media_headers(services: Services, request: web.Request) -> dict[str, str]:
    """Return headers that let web pages of `http.origins` load media (Fetch, CORS)."""
    origins = services.settings.http.origins
    if ANY_ORIGIN in origins:
        return {"Access-Control-Allow-Origin": ANY_ORIGIN}
    headers = {"Vary": "Origin"}
    origin = request.headers.get("Origin", "").lower()
    if origin in origins:
        headers["Access-Control-Allow-Origin"] = origin
    return headers


def preflight_headers(services: Services, request: web.Request) -> dict[str, str]:
    """Return headers that let browsers ask for media from another page (Fetch, CORS)."""
    return {
        **media_headers(services, request),
        "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
        "Access-Control-Allow-Headers": "Range, Authorization",
        "Access-Control-Max-Age": "86400",
    }


def _direct_peer(request: web.Request) -> Peer:
    name = None if request.transport is None else request.transport.get_extra_info("peername")
    if not isinstance(name, tuple):
        return LOCAL  # a unix socket
    return Peer(ip_address(str(name[0]).partition("%")[0]), int(name[1]))


def _is_proxy(services: Services, peer: Peer) -> bool:
    """Say whether a peer is believed; on a unix socket only what runs here can be one."""
    proxies = services.settings.http.proxies
    return bool(proxies) and (peer.address is None or peer.is_in(proxies))
