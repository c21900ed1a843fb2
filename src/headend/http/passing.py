"""Requests that another worker of this server answers: passed on whole, over its unix socket.

    client ─► this worker ── request, and whose it is ──► worker that has it
           ◄──────────────── answer, as it comes ────────

A worker believes what another one says of the client, because only workers reach its socket.
"""

import asyncio
import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import aiohttp
from aiohttp import web
from yarl import URL

from headend.directory.port import Body, Directory
from headend.directory.values import Member
from headend.events import Event, StreamConnected
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
MOVED: Final = (
    421  # a worker says to another one that it has the stream no more (RFC 9110, 15.5.20)
)
NOT_FOUND: Final = 404
GONE: Final = "There is no such part of this stream, or not any more."
LEARN_S: Final = 0.1  # until all workers know the owner of a stream
LEARN_TIMES: Final = 50
MOST_OWNERS: Final = 10_000  # streams whose owners are remembered; then the oldest are forgotten
CHALLENGE_ROUTE: Final = "/worker/challenge"  # of ACME; for worker 0 alone
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


class _Moved(Exception):
    """The worker that was asked has the stream no more."""


class _NotThere(Exception):
    """The worker that was asked does not have what another one may have."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem


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
        self._owners: Final[dict[str, list[Member]]] = {}  # who had a stream last, and before

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
        self._services.events.subscribe(self._take)

    async def stop(self) -> None:
        for session in self._sessions.values():
            await session.close()

    def _take(self, event: Event) -> None:
        if isinstance(event, StreamConnected) and self._publishes(event.stream):
            self._note_owner(event.stream, self.directory.me)

    def _publishes(self, path: str) -> bool:
        """Say whether a stream is published here: worker 0 hears of those of all."""
        has_source = self._services.registry.publication(path) is not None
        return has_source and self.directory.find(path) is None

    def owner_changed(self, path: str) -> None:
        owner = self.directory.find(path)
        if owner is not None:  # else the stream may wait for its publisher, and is kept
            self._note_owner(path, owner.member)

    def _note_owner(self, path: str, owner: Member) -> None:
        """Remember the owner that a stream has now, and have requests that wait ask there."""
        known = [each for each in self._owners.pop(path, []) if each != owner]
        self._owners[path] = [*known[-1:], owner]
        if len(self._owners) > MOST_OWNERS:
            del self._owners[next(iter(self._owners))]
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
            return await self._answer_member(request, path, handler)
        moved = asyncio.Event()
        waiting = self._waiting.setdefault(path, set())
        waiting.add(moved)
        try:
            for _ in range(LEARN_TIMES):
                moved.clear()
                response = await self._answer_once(request, path, handler, moved)
                if response is not None:
                    return response
            raise _away()
        finally:
            waiting.discard(moved)
            if not waiting:
                self._waiting.pop(path, None)

    async def _answer_member(
        self, request: web.Request, path: str, handler: Handler
    ) -> web.StreamResponse:
        """Answer what another worker passes on; it asks again where the stream is by then."""
        try:
            return await handler(request)
        except Problem:
            if self.directory.find(path) is None:
                raise
            raise Problem(MOVED, "Another worker publishes this stream.") from None

    def _owner(self, path: str) -> Member:
        """Return the worker that publishes a stream, or waits for its publisher."""
        owner = self.directory.find(path)
        last = self._owners.get(path, [self.directory.me])[-1] if owner is None else owner.member
        return last if last in self.directory.members() else self.directory.me

    def _owner_before(self, path: str) -> Member | None:
        """Return the worker that published a stream before; it has its last segments."""
        before = self._owners.get(path, [])[:-1]
        return before[0] if before and before[0] in self.directory.members() else None

    async def _answer_at_owner(
        self, request: web.Request, path: str, handler: Handler
    ) -> web.StreamResponse:
        owner, before = self._owner(path), self._owner_before(path)
        if before is None or "name" not in request.match_info:
            return await self._answer_at(request, owner, handler)
        try:
            return await self._answer_at(request, owner, handler, has_other=True)
        except _NotThere as missing:
            try:
                return await self._answer_at(request, before, handler, has_other=True)
            except (_NotThere, _Moved):
                raise missing.problem from None

    async def _answer_at(
        self, request: web.Request, member: Member, handler: Handler, *, has_other: bool = False
    ) -> web.StreamResponse:
        if member != self.directory.me:
            return await self.pass_on(request, member, has_other=has_other)
        try:
            return await handler(request)
        except Problem as problem:
            if has_other and problem.status == NOT_FOUND:
                raise _NotThere(problem) from None
            raise

    async def _answer_once(
        self, request: web.Request, path: str, handler: Handler, moved: asyncio.Event
    ) -> web.StreamResponse | None:
        """Answer; None: the stream moved meanwhile, and nothing was answered."""
        loop = self._services.loop
        here = loop.create_task(self._answer_at_owner(request, path, handler))
        there = loop.create_task(moved.wait())
        try:
            await asyncio.wait((here, there), return_when=asyncio.FIRST_COMPLETED)
            if here.done() or request.get(IS_ANSWERED, False):
                return await here
        except _Moved:
            with suppress(TimeoutError):
                await asyncio.wait_for(moved.wait(), LEARN_S)
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

    async def pass_on(
        self, request: web.Request, member: Member, *, has_other: bool = False
    ) -> web.StreamResponse:
        """Have another worker answer a request.

        Args:
            request: The request.
            member: The worker.
            has_other: Another one is asked if this one does not have it.

        Raises:
            Problem: 503: it does not answer.
            _Moved: It has the stream no more that the request is about.
            _NotThere: It does not have what another one may have.
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
                if answer.status == MOVED:
                    raise _Moved
                if answer.status == NOT_FOUND and has_other:
                    raise _NotThere(Problem(NOT_FOUND, GONE))
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
