"""Requests that another worker of this server answers: passed on whole, over its unix socket.

    client ─► this worker ── request, and whose it is ──► worker that has it
           ◄──────────────── answer, as it comes ────────

A worker believes what another one says of the client, because only workers reach its socket.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import aiohttp
from aiohttp import web
from yarl import URL

from headend.directory.port import Body, Directory
from headend.directory.values import Member
from headend.features.feature import Feature, Values
from headend.http import access
from headend.http.paths import stream_path
from headend.http.problems import Handler, Problem
from headend.live.services import Services
from headend.logs import Repeats

if TYPE_CHECKING:
    from multidict import CIMultiDict, CIMultiDictProxy

log = logging.getLogger(__name__)

ASK_S: Final = 2.0  # what all workers are asked is answered without those that take longer
CONNECT_S: Final = 2.0
# Of one connection, not of the message (RFC 9110, 7.6.1).
_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"}
    | {"upgrade"}
)
_SAID: Final = _HOP | {"x-forwarded-for", "x-forwarded-proto", "content-length", "expect"}
IS_ANSWERED: Final = web.RequestKey("is_answered", bool)  # the answer has begun
_FIRST: Final = ("/api/", "/metrics", "/.well-known/acme-challenge/")


@dataclass(frozen=True, slots=True)
class WorkerAnswer:
    """What another worker answered.

    Attributes:
        member: The worker.
        status: HTTP status.
        body: Body of the answer.
    """

    member: Member
    status: int
    body: bytes

    def document(self) -> Any:
        """Return what its JSON says."""
        return json.loads(self.body)


class Passing(Feature):
    """The feature of a worker that answers together with others.

    Attributes:
        directory: Says who has a stream.
    """

    name: ClassVar[str] = "workers"

    def __init__(self, services: Services, directory: Directory) -> None:
        """Prepare.

        Args:
            services: What all connections share.
            directory: Says who has a stream, and which workers there are.
        """
        self._services: Final = services
        self.directory: Final = directory
        self._sessions: Final[dict[str, aiohttp.ClientSession]] = {}  # by socket
        self._silent: Final = Repeats(log, "workers that did not answer")
        self._waiting: Final[dict[str, set[asyncio.Event]]] = {}  # requests that go on, by stream

    @property
    def is_first(self) -> bool:
        """This worker answers what is asked of all."""
        return self.directory.me.worker == 0

    def others(self) -> list[Member]:
        """Return the other workers, by number."""
        members = [each for each in self.directory.members() if each != self.directory.me]
        return sorted(members, key=lambda each: each.worker)

    def status(self) -> Values:
        return {"worker": self.directory.me.worker, "others": len(self.others())}

    def start(self) -> None:
        self.directory.watch(self)

    async def stop(self) -> None:
        for session in self._sessions.values():
            await session.close()

    def owner_changed(self, path: str) -> None:
        if self.directory.find(path) is not None:  # a stream that waits for its publisher is kept
            for event in self._waiting.get(path, ()):
                event.set()

    def message(self, sender: Member, kind: str, body: Body) -> None:
        """Do nothing: it is for others."""

    # ------------------------------------------------------------------ whole requests

    async def elsewhere(self, request: web.Request, path: str) -> web.StreamResponse | None:
        """Answer a request about a stream that another worker has; None: none of them has it."""
        owner = self.directory.find(path)
        if owner is None or access.is_member(request):
            return None
        return await self.pass_on(request, owner.member)

    async def answer(self, request: web.Request, path: str, handler: Handler) -> web.StreamResponse:
        """Answer a request about a stream here, or where it is published, also if that changes."""
        if access.is_member(request):
            return await handler(request)
        moved = asyncio.Event()
        waiting = self._waiting.setdefault(path, set())
        waiting.add(moved)
        try:
            while True:
                moved.clear()
                response = await self._answer_once(request, path, handler, moved)
                if response is not None:
                    return response
        finally:
            waiting.discard(moved)
            if not waiting:
                self._waiting.pop(path, None)

    async def _answer_once(
        self, request: web.Request, path: str, handler: Handler, moved: asyncio.Event
    ) -> web.StreamResponse | None:
        """Answer; None: the stream moved meanwhile, and nothing was answered."""
        owner, loop = self.directory.find(path), self._services.loop
        answering = handler(request) if owner is None else self.pass_on(request, owner.member)
        here = loop.create_task(_run(answering))
        there = loop.create_task(moved.wait())
        try:
            await asyncio.wait((here, there), return_when=asyncio.FIRST_COMPLETED)
            if here.done() or request.get(IS_ANSWERED, False):
                return await here
        finally:
            there.cancel()
            here.cancel()
        return None

    def is_for_first(self, request: web.Request) -> bool:
        """Say whether a request is for worker 0, which answers for all."""
        is_ours = self.is_first or access.is_member(request)
        return not is_ours and request.path.startswith(_FIRST)

    async def to_first(self, request: web.Request) -> web.StreamResponse:
        """Pass a request on to worker 0.

        Raises:
            Problem: 503: it is not there at the moment.
        """
        for member in self.directory.members():
            if member.worker == 0:
                return await self.pass_on(request, member)
        raise _away()

    async def pass_on(self, request: web.Request, member: Member) -> web.StreamResponse:
        """Have another worker answer a request.

        Raises:
            Problem: 503: it does not answer.
        """
        peer, headers = access.peer_of(self._services, request), _headers(request.headers)
        if peer.address is not None:
            host = f"[{peer.address}]" if ":" in str(peer.address) else str(peer.address)
            headers.add("X-Forwarded-For", f"{host}:{peer.port}" if peer.port else host)
        secure = access.is_secure(self._services, request)
        headers.add("X-Forwarded-Proto", "https" if secure else "http")
        response: web.StreamResponse | None = None
        try:
            async with self._session(member).request(
                request.method,
                _url(request.raw_path),
                headers=headers,
                data=request.content if request.body_exists else None,
                allow_redirects=False,
            ) as answer:
                response = web.StreamResponse(status=answer.status, reason=answer.reason)
                for name, value in answer.headers.items():
                    if name.lower() not in _HOP:
                        response.headers.add(name, value)
                request[IS_ANSWERED] = True
                await response.prepare(request)
                async for piece in answer.content.iter_any():
                    await response.write(piece)
                await response.write_eof()
                return response
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if response is not None and response.prepared:
                raise ConnectionResetError("the worker that answered is gone") from None
            self._note(member, error)
            raise _away() from None

    # ------------------------------------------------------------------ what all are asked

    async def ask(
        self, method: str, path: str, *, body: object = None, members: Sequence[Member] = ()
    ) -> list[WorkerAnswer]:
        """Ask the other workers; those that don't answer in time are left out.

        Args:
            method: HTTP method.
            path: Path and query.
            body: Value that is sent as JSON; None: nothing.
            members: Whom to ask; nobody: all others.
        """
        asked = [self._ask(each, method, path, body) for each in members or self.others()]
        answers = await asyncio.gather(*asked)
        return [each for each in answers if each is not None]

    async def _ask(
        self, member: Member, method: str, path: str, body: object
    ) -> WorkerAnswer | None:
        try:
            async with (
                asyncio.timeout(ASK_S),
                self._session(member).request(method, _url(path), json=body) as answer,
            ):
                return WorkerAnswer(member, answer.status, await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._note(member, error)
            return None

    def _note(self, member: Member, error: Exception) -> None:
        text = f"worker {member.worker} did not answer: {error or type(error).__name__}"
        self._silent.add(text, self._services.loop.time())

    def _session(self, member: Member) -> aiohttp.ClientSession:
        known = self._sessions.get(member.unix_http)
        if known is None:
            known = self._sessions[member.unix_http] = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(member.unix_http, limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return known


async def _run(answering: Awaitable[web.StreamResponse]) -> web.StreamResponse:
    return await answering


def at_owner(services: Services, handler: Handler) -> Handler:
    """Have the worker answer that publishes the stream, or will."""

    async def handle(request: web.Request) -> web.StreamResponse:
        passing = services.features.find(Passing)
        if passing is None:
            return await handler(request)
        return await passing.answer(request, stream_path(request.match_info["path"]), handler)

    return handle


def _url(path: str) -> URL:
    return URL(f"http://worker{path}", encoded=True)


def _headers(given: "CIMultiDictProxy[str]") -> "CIMultiDict[str]":
    headers = given.copy()
    for name in {each for each in headers if each.lower() in _SAID}:
        del headers[name]
    return headers


def _away() -> Problem:
    text = "The worker that answers this is being started; try again in a second."
    return Problem(503, text, headers={"Retry-After": "1"})
