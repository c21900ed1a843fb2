"""Who may use the API: a token as bearer, or a browser that signed in with one.

The admin token may do everything, and so may those of `auth.api_tokens` with the access `all`; one
with `read` sees everything and changes nothing.

A browser has a cookie that scripts can't read, and a CSRF token that it must repeat in a header
with whatever changes something. Requests must name this server as their host: a page of another
site that has its name resolved to our address (DNS rebinding) gets nowhere.
"""

import hmac
import logging
import secrets
import socket
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from aiohttp import web

from headend.access.guard import Guard
from headend.http import access
from headend.http.api.auditing import BY_BROWSER, BY_TOKEN
from headend.http.problems import Problem
from headend.live.services import Services
from headend.settings.declared import sha256
from headend.tls.served import ServedCertificates

log = logging.getLogger(__name__)

COOKIE: Final = "headend_session"
CSRF_HEADER: Final = "X-CSRF-Token"
LIFETIME_S: Final = 12 * 3600
SESSIONS: Final = 1000  # of browsers; the oldest is signed out first
WRONG_TOKENS: Final = 10  # in a row, until an address is shut out …
BAN_S: Final = 60.0  # … for so long
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HINT: Final = "it is in the file admin.token of the server's data folder"


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token that is right.

    Attributes:
        digest: Its hash, as settings have it.
        actor: What the audit trail calls it.
        may_change: It may change something.
    """

    digest: str
    actor: str
    may_change: bool


@dataclass(slots=True)
class BrowserSession:
    """A browser that signed in."""

    csrf: str
    ends: float  # monotonic seconds
    bearer: Bearer


class SignIns:
    """The tokens, and the browsers that have signed in."""

    def __init__(self, services: Services, admin_token: str) -> None:
        self._services = services
        self._admin = Bearer(sha256(admin_token), BY_TOKEN, may_change=True)
        self._sessions: OrderedDict[str, BrowserSession] = OrderedDict()
        self._guard = Guard(WRONG_TOKENS, BAN_S)

    # ------------------------------------------------------------------ requests

    def check(self, request: web.Request) -> str:
        """Return what lets a request use the API, as the audit trail calls it.

        Raises:
            Problem: 401 without a right token or session, 403 without the CSRF token and for a
                change by a reader, 421 for a host that is not ours, 429 after too many
                wrong tokens from another machine.
        """
        self.check_host(request)
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            bearer = self._right_token(request, shown.strip())
            _check_access(request, bearer)
            return bearer.actor
        session = self.session(request)
        if session is None:
            raise Problem(
                401,
                f"Send the admin token as Authorization: Bearer TOKEN; {_HINT}.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if request.method not in _SAFE:
            _check_csrf(request, session)
            _check_access(request, session.bearer)
        return session_actor(session)

    def check_host(self, request: web.Request) -> None:
        """Refuse a request that was meant for another host.

        Raises:
            Problem: 421.
        """
        host = _host_name(request.headers.get("Host", ""))
        if host and not self._is_ours(host):
            raise Problem(
                421, f"This server is not called {host}; if it is, add the name to http.hosts."
            )

    def session(self, request: web.Request) -> BrowserSession | None:
        """Return the session of a browser that signed in."""
        session = self._sessions.get(request.cookies.get(COOKIE, ""))
        if session is None or session.ends < self._services.loop.time():
            return None
        return session if session.bearer in self._bearers() else None

    # ------------------------------------------------------------------ signing in and out

    def sign_in(self, request: web.Request, token: str) -> tuple[str, BrowserSession]:
        """Begin a session; return its id, which goes into the cookie, and the session.

        Raises:
            Problem: The token is wrong.
        """
        bearer = self._right_token(request, token)
        id = secrets.token_urlsafe(32)
        ends = self._services.loop.time() + LIFETIME_S
        session = self._sessions[id] = BrowserSession(secrets.token_urlsafe(32), ends, bearer)
        if len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)
        log.info("http %s signed in to the console", access.peer_of(self._services, request))
        return id, session

    def sign_out(self, request: web.Request) -> BrowserSession | None:
        """End a session and return it; None: there is none.

        Raises:
            Problem: 403 without the session's CSRF token.
        """
        session = self.session(request)
        if session is not None:
            _check_csrf(request, session)
        self._sessions.pop(request.cookies.get(COOKIE, ""), None)
        return session

    def _bearers(self) -> list[Bearer]:
        """Return the tokens that are right now: the settings may have changed."""
        declared = self._services.settings.auth.api_tokens
        return [
            self._admin,
            *(Bearer(each.digest, f"token {each.name}", each.access == "all") for each in declared),
        ]

    def _right_token(self, request: web.Request, token: str) -> Bearer:
        """Return what a token is that somebody shows.

        Raises:
            Problem: 401, it is none; 429, too many were wrong.
        """
        now = self._services.loop.time()
        peer = access.peer_of(self._services, request)
        # A program here that keeps a wrong token must not shut the operator out of this machine;
        # nor need it, to keep 256 random bits from being guessed.
        is_local = peer.is_local
        if not is_local and (wait := self._guard.banned_s(peer.address, now)):
            raise Problem(
                429,
                f"Too many wrong tokens came from your address; try again in {wait:.0f} s.",
                headers={"Retry-After": str(int(wait) + 1)},
            )
        shown = sha256(token)
        # All are compared: the time that it takes says nothing of which it is.
        right = [each for each in self._bearers() if hmac.compare_digest(shown, each.digest)]
        if right:
            self._guard.right(peer.address)
            return right[0]
        if not is_local:
            self._guard.wrong(peer.address, now)
        self._services.notes.fault(peer, f"http {peer} showed a wrong admin token")
        raise Problem(
            401,
            f"The admin token is not right; {_HINT}.",
            headers={"WWW-Authenticate": "Bearer"},
        )

    def _is_ours(self, host: str) -> bool:
        try:
            ip_address(host)
        except ValueError:
            pass
        else:
            return True
        services = self._services
        ours = {"localhost", socket.gethostname().lower(), *services.settings.http.hosts}
        served = services.features.find(ServedCertificates)
        if served is not None:
            ours |= served.names()
        return host in ours or any(
            name.startswith("*.") and host.partition(".")[2] == name[2:] for name in ours
        )


def session_actor(session: BrowserSession) -> str:
    """Return what the audit trail calls a browser's session."""
    actor = session.bearer.actor
    return BY_BROWSER if actor == BY_TOKEN else f"{BY_BROWSER}, {actor}"


def _check_access(request: web.Request, bearer: Bearer) -> None:
    if request.method not in _SAFE and not bearer.may_change:
        raise Problem(403, f"The {bearer.actor} may only read (auth.api_tokens, access).")


def _check_csrf(request: web.Request, session: BrowserSession) -> None:
    shown = request.headers.get(CSRF_HEADER, "")
    if not _is_same(shown, session.csrf.encode()):
        raise Problem(403, f"Send the CSRF token of your session as {CSRF_HEADER}.")


def _is_same(shown: str, right: bytes) -> bool:
    return hmac.compare_digest(shown.encode(errors="replace"), right)


def _host_name(text: str) -> str:
    """Return the name of `name:port`, `[::1]:port`, in lower case."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].lower().rstrip(".")
