"""The API of several workers as one: worker 0 asks the others, and puts the answers together.

    GET streams, server, nodes, relays … ─► own answer + answers of the others ─► one answer
    DELETE session, stream                ─► whoever has it
    POST reload, relays                   ─► this worker, then all read it again

What a stream brings is told by the worker that has its publisher; its viewers are those of all.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from headend.features.routes import Route
from headend.http.api.route import V1, json_response, page_limit
from headend.http.passing import Passing, WorkerAnswer
from headend.http.problems import Problem

Document = dict[str, Any]

# Of a copy these count; all else is told by the worker that the copy comes from.
_OF_VIEWERS: Final = ("viewers", "late", "skips", "bit_rate_out")
_SUMS: Final = (
    "streams", "sessions", "viewers", "bytes_in", "bytes_out", "bit_rate_in", "bit_rate_out",
    "memory_bytes",
)  # fmt: skip
_OF_WORKER: Final = (
    "pid", "uptime_s", "is_stopping", "streams", "sessions", "viewers", "bit_rate_in",
    "bit_rate_out", "memory_bytes", "loop_lag_s",
)  # fmt: skip


class Together:
    """Completes answers of this worker by those of the others."""

    def __init__(self, passing: Passing) -> None:
        """Take what reaches the other workers."""
        self._passing: Final = passing
        complete = {
            ("GET", "streams"): self._streams,
            ("GET", "streams/{path}"): self._stream,
            ("PATCH", "streams/{path}"): self._at_owner,
            ("DELETE", "streams/{path}"): self._anywhere,
            ("GET", "rates/{path}"): self._at_owner,
            ("GET", "thumbnails/{path}"): self._at_owner,
            ("GET", "sessions"): self._sessions,
            ("GET", "sessions/{id}"): self._anywhere,
            ("DELETE", "sessions/{id}"): self._anywhere,
            ("GET", "server"): self._server,
            ("GET", "nodes"): self._nodes,
            ("GET", "relays"): self._relays,
            ("POST", "relays"): self._told,
            ("DELETE", "relays/{relay}"): self._told,
            ("POST", "recordings"): self._record,
            ("POST", "recordings/{recording}/stop"): self._everywhere,
            ("POST", "reload"): self._told,
            ("GET", "drain"): self._drain,
            ("POST", "drain"): self._drain,
            ("PUT", "settings"): self._told,
        }
        self._complete: Final[Mapping[tuple[str, str], _Complete]] = {
            (method, f"{V1}/{path}"): call for (method, path), call in complete.items()
        }

    async def answer(self, route: Route, request: web.Request) -> object:
        """Answer a request, for this worker alone or for all."""
        complete = self._complete.get((route.method, route.path))
        if complete is None or not self._passing.is_first:
            return await route.call(request)
        return await complete(route, request)

    async def update(self, own: str) -> str:
        """Complete what a console is told by what the other workers would tell it."""
        if not self._passing.is_first:
            return own
        answers = await self._passing.ask("GET", f"{V1}/events?count=1")
        events = [json.loads(own), *(_event(each) for each in answers if each.status == 200)]
        first = events[0]
        servers = [each["server"] for each in events]
        more = sum(each["more_streams"] for each in events)
        first["streams"] = merged_streams([s for each in events for s in each["streams"]])
        first["sessions"] = _by_id([s for each in events for s in each["sessions"]])
        first["server"] = merged_server(servers, [0, *(each.member.worker for each in answers)])
        first["more_streams"] = more
        first["more_sessions"] = sum(each["more_sessions"] for each in events)
        return json.dumps(first)

    # ------------------------------------------------------------------ lists

    async def _streams(self, route: Route, request: web.Request) -> object:
        limit = page_limit(request)
        pages = await self._pages(route, request)
        found = merged_streams([each for page in pages for each in page["streams"]])
        page = found[:limit]
        is_more = len(found) > limit or any(each["next"] is not None for each in pages)
        total = max(len(found), sum(each["total"] for each in pages) - _copies(pages))
        following = page[-1]["path"] if is_more and page else None
        return _document({"streams": page, "total": total, "next": following})

    async def _stream(self, route: Route, request: web.Request) -> object:
        found: list[Document] = []
        problem: Problem | None = None
        try:
            found.append(_plain(await route.call(request)))
        except Problem as error:
            problem = error
        found += [each.document() for each in await self._others(request) if each.status == 200]
        if not found and problem is not None:
            raise problem
        return _document(merged_streams(found)[0])

    async def _sessions(self, route: Route, request: web.Request) -> object:
        limit = page_limit(request)
        if request.query.get("state", "live") != "live":
            return await route.call(request)  # the first worker keeps what is over
        pages = await self._pages(route, request)
        found = _by_id([each for page in pages for each in page["sessions"]])
        is_more = len(found) > limit or any(each["next"] is not None for each in pages)
        page = found[:limit]
        following = str(page[-1]["id"]) if is_more and page else None
        total = sum(each["total"] for each in pages)
        return _document({"sessions": page, "total": total, "next": following})

    async def _server(self, route: Route, request: web.Request) -> object:
        own = _plain(await route.call(request))
        answers = [each for each in await self._others(request) if each.status == 200]
        numbers = [0, *(each.member.worker for each in answers)]
        return _document(merged_server([own, *(each.document() for each in answers)], numbers))

    async def _nodes(self, route: Route, request: web.Request) -> object:
        own = _plain(await route.call(request))
        for answer in await self._others(request):
            if answer.status == 200:
                own["nodes"] += [{**each, "is_this": False} for each in answer.document()["nodes"]]
        return _document(own)

    async def _relays(self, route: Route, request: web.Request) -> object:
        own = _plain(await route.call(request))
        for answer in await self._others(request):
            for relay in answer.document()["relays"] if answer.status == 200 else ():
                for mine in own["relays"]:
                    if mine["id"] == relay["id"]:
                        mine["targets"] += relay["targets"]
        return _document(own)

    async def _drain(self, route: Route, request: web.Request) -> object:
        """Count the peers left at all workers; the supervisor has them drain."""
        own = _plain(await route.call(request))
        for answer in await self._passing.ask("GET", request.raw_path):
            if answer.status == 200:
                other = answer.document()
                own["publishers"] += other["publishers"]
                own["players"] += other["players"]
        return _document(own)

    # ------------------------------------------------------------------ one worker, or all

    async def _anywhere(self, route: Route, request: web.Request) -> object:
        """Have those answer that have what is meant; any answer will do."""
        own: object = None
        problem: Problem | None = None
        try:
            own = await route.call(request)
        except Problem as error:
            if error.status != 404:
                raise
            problem = error
        if problem is None and route.method == "GET" and getattr(own, "state", "live") == "live":
            return own
        for answer in await self._others(request):
            if answer.status == 204:
                problem = None
            elif answer.status == 200 and answer.document().get("state") == "live":
                return web.Response(body=answer.body, content_type="application/json")
        if problem is not None:
            raise problem
        return own

    async def _everywhere(self, route: Route, request: web.Request) -> object:
        """Have all do it once this worker has done it."""
        own = await route.call(request)
        await self._passing.ask(request.method, request.raw_path)
        return own

    async def _told(self, route: Route, request: web.Request) -> object:
        """Have all others read again what this worker has changed."""
        own = await route.call(request)
        kind = "relays" if "/relays" in route.path else "reload"
        self._passing.directory.tell(None, kind, {})
        return own

    async def _at_owner(self, route: Route, request: web.Request) -> object:
        path = request.match_info["path"]
        return await self._passing.elsewhere(request, path) or await route.call(request)

    async def _record(self, route: Route, request: web.Request) -> object:
        """Have the worker record that has the stream."""
        data = await request.read()
        try:
            path = json.loads(data)["stream"]
        except (ValueError, KeyError, TypeError):
            return await route.call(request)
        owner = self._passing.directory.find(str(path))
        if owner is None:
            return await route.call(request)
        answers = await self._passing.ask(
            "POST", request.raw_path, body={"stream": path}, members=[owner.member]
        )
        if not answers:
            raise Problem(503, "The worker that has the stream does not answer.")
        return web.Response(
            body=answers[0].body, status=answers[0].status, content_type="application/json"
        )

    # ------------------------------------------------------------------ answers of the others

    async def _pages(self, route: Route, request: web.Request) -> list[Document]:
        own = _plain(await route.call(request))
        others = await self._others(request)
        return [own, *(each.document() for each in others if each.status == 200)]

    async def _others(self, request: web.Request) -> list[WorkerAnswer]:
        return await self._passing.ask(request.method, request.raw_path)


_Complete = Callable[[Route, web.Request], Awaitable[object]]


def merged_streams(found: list[Document]) -> list[Document]:
    """Put descriptions of streams together, one for each path, by path."""
    by_path: dict[str, Document] = {}
    for each in sorted(found, key=lambda each: (each["path"], _rank(each))):
        known = by_path.setdefault(each["path"], each)
        if known is each:
            continue
        for name in _OF_VIEWERS:
            known[name] += each[name]
        protocols = known["viewers_by_protocol"]
        for protocol, count in each["viewers_by_protocol"].items():
            protocols[protocol] = protocols.get(protocol, 0) + count
    return list(by_path.values())


def _rank(stream: Document) -> tuple[bool, int]:
    return stream["is_copy"], ("live", "interrupted", "waiting").index(stream["state"])


def merged_server(servers: list[Document], numbers: list[int]) -> Document:
    """Put descriptions of workers together; the first is that of worker 0."""
    whole = dict(servers[0])
    for name in _SUMS:
        whole[name] = sum(each[name] for each in servers)
    whole["loop_lag_s"] = max(each["loop_lag_s"] for each in servers)
    whole["features"] = _features([each["features"] for each in servers])
    whole["workers"] = [
        {"worker": number, **{name: each[name] for name in _OF_WORKER}}
        for number, each in zip(numbers, servers, strict=False)
    ]
    return whole


def _features(all: list[Document]) -> Document:
    """Add up what features of all workers count."""
    whole: Document = {}
    for each in all:
        for name, values in each.items():
            known = whole.setdefault(name, {})
            for key, value in values.items():
                is_count = isinstance(value, int) and not isinstance(value, bool)
                known[key] = known.get(key, 0) + value if is_count else known.get(key, value)
    return whole


def _by_id(sessions: list[Document]) -> list[Document]:
    return sorted(sessions, key=lambda each: each["id"])


def _copies(pages: list[Document]) -> int:
    return sum(each["is_copy"] for page in pages for each in page["streams"])


def _plain(answer: object) -> Document:
    document: Document = json.loads(json_response(answer).body or b"{}")  # type: ignore[arg-type]
    return document


def _document(document: Document) -> web.Response:
    return web.json_response(document)


def _event(answer: WorkerAnswer) -> Document:
    text = answer.body.decode().partition("data: ")[2].partition("\n")[0]
    event: Document = json.loads(text)
    return event
