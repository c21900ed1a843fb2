"""Who may watch over HTTP, and for which web pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import SplitResult, urlsplit

from aiohttp import web

from headend.access.address_lists import AddressList
from headend.access.gate import Grant
from headend.access.session_record import note_refusal
from headend.decisions import AccessRequest
from headend.errors import Refusal, Rejected
from headend.http.credentials import parameters_of
from headend.http.problems import Handler, Problem, problem_of
from headend.live.services import Services
from headend.net.peer import LOCAL, Peer, forwarded_peers, named_by
from headend.settings.http import ANY_ORIGIN

USER_AGENT_CHARACTERS: Final = 200
PEER: Final = "peer"  # what a connection's `get_extra_info` calls its `Peer`
MEMBER: Final = "member"  # … and says True for, where another worker of this server has connected
IS_PRIVATE: Final = web.RequestKey("is_private", bool)  # caches must not give it to others
GONE_S: Final = 1  # caches ask again once a second for what is not there
FAULT_HEADERS: Final = {"Cache-Control": "no-store"}


async def allow_play(services: Services, request: web.Request, path: str, protocol: str) -> Grant:
    """Decide whether the client may watch a stream.

    Args:
        services: Services of the server; their gate decides.
        request: The request. It may show a playback token, as `?token=` or as a bearer token.
        path: `APP/NAME`.
        protocol: http-flv, ws-flv, or http for pictures and pages.

    Returns:
        The grant; the caller has the gate `leave` it.

    Raises:
        Problem: 403, or 503 while the server stops.
        HTTPTemporaryRedirect: The stream is at another URL.
    """
    return await decide(services, request, question(services, request, path, protocol))


def question(services: Services, request: web.Request, path: str, protocol: str) -> AccessRequest:
    """Return the question to the gate about a client that wants to watch; see `allow_play`."""
    peer = peer_of(services, request)
    return AccessRequest(
        "play",
        path,
        peer.address,
        token=token_of(request),
        is_secure=is_secure(services, request),
        protocol=protocol,
        user_agent=request.headers.get("User-Agent", "")[:USER_AGENT_CHARACTERS],
        query=parameters_of(services, request, path, protocol, peer.address),
        is_unknown=peer.is_unknown,
    )


async def decide(services: Services, request: web.Request, asked: AccessRequest) -> Grant:
    """Have the gate decide on a question; see `allow_play`."""
    if services.sessions.is_stopping:
        raise Problem(503, "The server is stopping.")
    gate = services.gate
    request[IS_PRIVATE] = not gate.is_open(asked.path)
    with refusals(services, request, asked):
        grant = gate.decide_now(asked) or await gate.decide(asked)
    request[IS_PRIVATE] = not (gate.is_open(asked.path) and gate.is_open(grant.path))
    return grant


@contextmanager
def refusals(services: Services, request: web.Request, asked: AccessRequest) -> Iterator[None]:
    """Tell the log and the bus if a viewer is refused, and answer so."""
    try:
        yield
    except Rejected as rejected:
        if rejected.url:
            is_place = rejected.refusal is Refusal.STOPPING  # another server, and the same path
            path = request.raw_path if is_place else ""
            raise web.HTTPTemporaryRedirect(rejected.url + path) from None
        note_refusal(services.runtime, asked, peer_of(services, request), rejected)
        raise problem_of(rejected) from None


def scope(request: web.Request) -> str:
    """Return `public` or `private` for `Cache-Control` of an answer.

    Any cache may keep media that everybody may watch; of all else only the client keeps a copy.
    """
    return "private" if request.get(IS_PRIVATE, True) else "public"


def token_of(request: web.Request) -> str | None:
    """Return the playback token that a client shows, in the query or as a bearer token."""
    token = request.query.get("token")
    if token:
        return token
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() or None if scheme.lower() == "bearer" else None


def allow_api(services: Services, request: web.Request) -> None:
    """Return if a request comes from an address that may use API and metrics.

    Raises:
        Problem: 403.
    """
    auth = services.settings.auth
    addresses = AddressList(auth.api_from, auth.api_not_from)
    peer = peer_of(services, request)
    if not addresses.allows(peer.address, is_known=not peer.is_unknown):
        raise Problem(403, "This is not given to your address (auth.api_from, auth.api_not_from).")


def peer_of(services: Services, request: web.Request) -> Peer:
    """Return the client of a request; `X-Forwarded-For` is trusted from `http.proxies` only."""
    peer = _direct_peer(services, request)
    forwarded = request.headers.getall("X-Forwarded-For", ())
    if not forwarded or not (is_member(request) or _is_proxy(services, peer)):
        return peer
    return named_by(peer, forwarded_peers(",".join(forwarded)), services.settings.http.proxies)


def is_secure(services: Services, request: web.Request) -> bool:
    """Say whether a client came over TLS, to us or to a proxy of `http.proxies`."""
    if request.secure:
        return True
    is_told = request.headers.get("X-Forwarded-Proto", "").strip().lower() == "https"
    return is_told and (is_member(request) or _is_proxy(services, _direct_peer(services, request)))


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


def check_origin(services: Services, request: web.Request) -> None:
    """Return if a WebSocket comes from a web page that may watch, or from no page at all.

    Browsers let every page open a WebSocket and read what it gets: only the server can refuse
    (RFC 6455, 10.2).

    Raises:
        Problem: 403: the page is neither ours nor one of `http.origins`.
    """
    origin = request.headers.get("Origin", "").lower()
    origins = services.settings.http.origins
    if not origin or ANY_ORIGIN in origins or origin in origins:
        return
    if not _is_ours(services, request, origin):
        raise Problem(403, "Pages of this origin may not watch here (http.origins).")


def _is_ours(services: Services, request: web.Request, origin: str) -> bool:
    """Say whether an origin is the host that a request was sent to."""
    try:
        page = urlsplit(origin)
        here = urlsplit(f"{'https' if is_secure(services, request) else 'http'}://{request.host}")
        is_same_port = _port(page) == _port(here)
    except ValueError:
        return False
    # A proxy that passes the host on often leaves its own port out.
    is_told = here.port is None and _is_proxy(services, _direct_peer(services, request))
    return bool(page.hostname) and page.hostname == here.hostname and (is_same_port or is_told)


def _port(address: SplitResult) -> int | None:
    return address.port or {"http": 80, "https": 443}.get(address.scheme)


def for_other_pages(services: Services, handler: Handler) -> Handler:
    """Let web pages of `http.origins` read refusals and redirects of a handler."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Problem as problem:
            kept = FAULT_HEADERS
            if problem.status == 404:
                who = "private" if request.get(IS_PRIVATE, False) else "public"
                kept = {"Cache-Control": f"{who}, max-age={GONE_S}"}
            raise problem.with_headers(kept | media_headers(services, request)) from None
        except web.HTTPRedirection as redirect:
            redirect.headers.update(FAULT_HEADERS | media_headers(services, request))
            raise

    return handle


def preflight_headers(services: Services, request: web.Request) -> dict[str, str]:
    """Return headers that let browsers ask for media from another page (Fetch, CORS)."""
    return {
        **media_headers(services, request),
        "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
        "Access-Control-Allow-Headers": "Range, Authorization",
        "Access-Control-Max-Age": "86400",
    }


def is_member(request: web.Request) -> bool:
    """Say whether another worker of this server asks, for itself or for a client of it."""
    transport = request.transport
    return transport is not None and bool(transport.get_extra_info(MEMBER))


def _direct_peer(services: Services, request: web.Request) -> Peer:
    transport = request.transport
    known = None if transport is None else transport.get_extra_info(PEER)
    if isinstance(known, Peer):
        return known
    name = None if transport is None else transport.get_extra_info("peername")
    if not isinstance(name, tuple):
        return LOCAL  # a unix socket
    return Peer.at(str(name[0]), int(name[1]), services.runtime.pseudonyms)


def _is_proxy(services: Services, peer: Peer) -> bool:
    """Say whether a peer is believed; on a unix socket only what runs here can be one."""
    proxies = services.settings.http.proxies
    return bool(proxies) and (peer.address is None or peer.is_in(proxies))
