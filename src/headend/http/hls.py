"""HLS over HTTP: playlists, which may be waited for, and the files that they name.

    /APP/NAME/index.m3u8          multivariant playlist
    /APP/NAME/main.m3u8           media playlist; _HLS_msn, _HLS_part, _HLS_skip; dvr
    /APP/NAME/EPOCH-…             init segments, segments, parts: never changed once they are there

Source: RFC 8216bis, 6.2.5 and appendix B.
"""

import asyncio
import re
from contextlib import suppress
from hmac import compare_digest
from typing import Final

from aiohttp import web

from headend.access.gate import Grant
from headend.decisions import AccessRequest
from headend.errors import LimitExceeded
from headend.hls.past import NOT_RECORDED, PastSegments
from headend.hls.playlists import MEDIA_PLAYLIST
from headend.hls.streams import HlsStream, HlsStreams
from headend.hls.viewers import HlsViewer
from headend.hls.window import Resource
from headend.http import access
from headend.http.assets import root_of
from headend.http.credentials import query_of_children
from headend.http.flv import media_of
from headend.http.hls_waiting import HlsWaiting
from headend.http.passing import at_owner
from headend.http.paths import stream_path
from headend.http.problems import Problem
from headend.http.ranges import byte_range
from headend.hub.stream import Stream
from headend.live.services import Services

MULTIVARIANT_ROUTE: Final = "/{path:.+}/index.m3u8"
MEDIA_ROUTE: Final = "/{path:.+}/" + MEDIA_PLAYLIST
RESOURCE_ROUTE: Final = r"/{path:.+}/{name:[a-z0-9]{6}-[a-z0-9.-]+\.(?:mp4|m4s|ts)}"

PLAYLIST_TYPE: Final = "application/vnd.apple.mpegurl"
READY_S: Final = 5.0  # a first playlist may take so much longer than the longest segment
AHEAD: Final = 2  # segments a request may be ahead of the newest (RFC 8216bis, 6.2.5.2)
BLOCK_TARGETS: Final = 3  # target durations that a request waits at most (ibidem)
BEGIN_SEGMENTS: Final = 3  # that Chromium's own player needs: seen with version 156
MEDIA_ELEMENT: Final = "identity;q=1, *;q=0"
FRESH_S: Final = 1  # a playlist that was not waited for is the newest for so long
DVR: Final = "dvr"  # the parameter
LONGEST_DVR_S: Final = 86_400
PAST_S: Final = 6.0  # a recording that begins has its first segment within so long
PAST_LOOK_S: Final = 0.25
DIGITS: Final = re.compile(r"\d{1,15}", re.ASCII)


def add_routes(application: web.Application, services: Services) -> None:
    """Serve HLS."""
    routes = HlsRoutes(services, HlsWaiting(services.runtime, services.features[HlsStreams]))
    for path, handler in (
        (MULTIVARIANT_ROUTE, routes.multivariant),
        (MEDIA_ROUTE, routes.media),
        (RESOURCE_ROUTE, routes.resource),
    ):
        answer = access.for_other_pages(services, at_owner(services, handler))
        application.router.add_get(path, answer)
        application.router.add_route("OPTIONS", path, routes.options)


ORIGIN_SECRET: Final = "X-Origin-Secret"


class HlsRoutes:
    """The routes of HLS."""

    def __init__(self, services: Services, waiting: HlsWaiting) -> None:
        self._services = services
        self._waiting = waiting

    async def options(self, request: web.Request) -> web.StreamResponse:
        """Answer what browsers ask before a request to another origin (Fetch, preflight)."""
        return web.Response(status=204, headers=access.preflight_headers(self._services, request))

    async def multivariant(self, request: web.Request) -> web.StreamResponse:
        """Give the playlist of playlists; packaging begins with the first request for it."""
        stream, viewer = await self._stream(request, "multivariant")
        query, dvr_s = self._query(request), _dvr(request)
        if dvr_s is not None:
            query = f"?{DVR}={dvr_s}" + query.replace("?", "&", 1)
        text = stream.playlists.multivariant(query)
        return _count(stream, viewer, self._playlist(request, stream, text, 2 * FRESH_S))

    async def media(self, request: web.Request) -> web.StreamResponse:
        """Give the media playlist, once it has the segment or part that is asked for."""
        stream, viewer = await self._stream(request, "playlist")
        playlists = stream.playlists
        if (dvr_s := _dvr(request)) is not None:
            text = await self._with_past(request, stream, dvr_s)
            return _count(stream, viewer, self._playlist(request, stream, text, FRESH_S))
        number, part = _number(request, "_HLS_msn"), _number(request, "_HLS_part")
        skip = request.query.get("_HLS_skip", "").upper() in ("YES", "V2")
        if number is None:
            if part is not None:
                raise Problem(400, "_HLS_part needs _HLS_msn.")
            if _is_chromium_itself(request):
                await self._wait_to_begin(stream)
            text = playlists.media_playlist(skip=skip, query=self._query(request))
            return _count(stream, viewer, self._playlist(request, stream, text, FRESH_S))
        if not playlists.is_over:
            if number > playlists.next_sequence + AHEAD:
                raise Problem(
                    400,
                    f"_HLS_msn={number} is too far ahead: {playlists.next_sequence} comes next.",
                )
            await self._wait(request, stream, number, part)
        text = playlists.media_playlist(skip=skip, query=self._query(request))
        return _count(stream, viewer, self._playlist(request, stream, text, 6 * playlists.target_s))

    async def _with_past(self, request: web.Request, stream: HlsStream, dvr_s: int) -> str:
        """Write a media playlist that reaches back into the recording, if there is one."""
        playlists, query = stream.playlists, self._query(request)
        features, path, place = self._services.features, stream.stream.path, root_of(request)
        recordings = features.find(PastSegments)
        end = self._services.loop.time() + (PAST_S if _may_wait(request) else 0.0)
        while True:
            if recordings is None or playlists.is_empty:
                return playlists.with_past(NOT_RECORDED, query)
            dates = playlists.dates
            past = await recordings.past(path, dvr_s, dates, place, query)
            # While the database answered, the list may have gone on.
            if past is not None and playlists.dates == dates:
                return playlists.with_past(past, query)
            if self._services.loop.time() > end:
                break
            await asyncio.sleep(PAST_LOOK_S)
        raise Problem(503, "The recording has nothing yet.", headers={"Retry-After": "1"})

    def _check_origin(self, request: web.Request) -> None:
        """Let in the CDN alone, if there is a secret between it and us."""
        secret = self._services.settings.hls.origin_secret.get_secret_value()
        shown = request.headers.get(ORIGIN_SECRET, "")
        if secret and not compare_digest(shown.encode(), secret.encode()):
            raise Problem(403, "HLS is given to the CDN alone here (hls.origin_secret).")

    async def resource(self, request: web.Request) -> web.StreamResponse:
        """Give an init segment, a segment or a part; wait for the part that comes next."""
        services = self._services
        self._check_origin(request)
        path, name = stream_path(request.match_info["path"]), request.match_info["name"]
        asked = access.question(services, request, path, "hls")
        grant = await access.decide(services, request, asked)
        hls = services.features[HlsStreams]
        stream = hls.find(grant.path)
        left = hls.left(grant.path)
        if left is not None and left.playlists.resource(name) is not None:
            stream = left
        if stream is None:
            raise Problem(404, "This stream is not packaged now.")
        viewer = self._note(request, stream, asked, grant)
        hls.requests[
            "init" if ".mp4" in name else "part" if name.count(".") == 2 else "segment"
        ] += 1
        found = stream.playlists.resource(name)
        if found is None and name == stream.playlists.hint:
            number, part = name.rpartition("-")[2].split(".")[:2]
            await self._wait(request, stream, int(number), int(part))
            found = stream.playlists.resource(name)
        if found is None:
            raise Problem(404, "There is no such part of this stream, or not any more.")
        return _count(stream, viewer, self._media(request, found, name))

    # ------------------------------------------------------------------ streams

    async def _stream(self, request: web.Request, kind: str) -> tuple[HlsStream, HlsViewer | None]:
        """Return a stream whose playlists can be given, and the viewer who asks."""
        services = self._services
        self._check_origin(request)
        asked = access.question(services, request, stream_path(request.match_info["path"]), "hls")
        grant = await access.decide(services, request, asked)
        path = grant.path
        hls = services.features[HlsStreams]
        wanted = services.rules.of(path).hls
        if wanted.start == "off":
            raise Problem(404, "This stream is not given as HLS (hls.start).")
        hls.requests[kind] += 1
        known = hls.find(path)
        live = services.registry.stream(path)
        is_anew = live is not None and live.has_begun and known is not None
        if known is not None and is_anew and known.stream is live:
            # Players that follow it are told its end; others get one that fits the stream.
            is_over = kind == "multivariant" and known.packager.over is not None
            is_anew = known.is_lost or is_over
        if known is None or is_anew:
            with access.refusals(services, request, asked):
                hls.viewers.check(asked, grant)
            published = await self._published(request, path)
            if not hls.is_loaded:
                await hls.load()
                published = await self._published(request, path)  # it may have ended meanwhile
            known = hls.begin(published)
        viewer = self._note(request, known, asked, grant)
        limit = wanted.longest_s + READY_S if _may_wait(request) else 0.0
        try:
            is_ready = await self._waiting.wait_ready(known, limit)
        except LimitExceeded as error:
            raise Problem(503, str(error), headers={"Retry-After": "5"}) from None
        over = known.packager.over
        if over is not None and known.playlists.is_empty:
            raise Problem(503, f"HLS of this stream has ended: {over}.")
        if not is_ready or not known.playlists.is_ready:
            fault = known.packager.fault
            why = "" if fault is None else f" ({fault})"
            raise Problem(
                503,
                f"The stream has nothing yet that can be packaged{why}.",
                headers={"Retry-After": "2"},
            )
        _check_live(known)
        return known, viewer

    async def _published(self, request: web.Request, path: str) -> Stream:
        """Return a stream that has media, once it has some; nobody waits for a head alone."""
        services = self._services
        live = services.registry.stream(path)
        if not _may_wait(request) and (live is None or not live.has_begun):
            raise Problem(404, f"nobody publishes {path}.", title="Stream not found")
        peer = access.peer_of(services, request)
        try:
            async with asyncio.timeout(None if _may_wait(request) else 0.0):
                return (await media_of(services, path, peer.address))[0]
        except TimeoutError:
            raise Problem(503, f"{path} has no media yet.", headers={"Retry-After": "2"}) from None

    async def _wait(
        self, request: web.Request, stream: HlsStream, number: int, part: int | None
    ) -> None:
        limit = BLOCK_TARGETS * max(stream.playlists.target_s, 1) if _may_wait(request) else 0
        try:
            if not await self._waiting.wait(stream, (number, part), limit):
                raise Problem(
                    503, f"Nothing new came within {limit} s.", headers={"Retry-After": "1"}
                )
            _check_live(stream)
        except LimitExceeded as error:
            raise Problem(503, str(error), headers={"Retry-After": "5"}) from None

    async def _wait_to_begin(self, stream: HlsStream) -> None:
        """Wait until there are as many segments as a player wants at first, for a limited time.

        Nothing is refused: a player that gets fewer fails, as it would have failed before.
        """
        last = stream.first.sequence + BEGIN_SEGMENTS - 1
        limit = BEGIN_SEGMENTS * max(stream.playlists.target_s, 1)
        with suppress(LimitExceeded):
            await self._waiting.wait(stream, (last, None), limit)

    def _note(
        self, request: web.Request, stream: HlsStream, asked: AccessRequest, grant: Grant
    ) -> HlsViewer | None:
        peer = access.peer_of(self._services, request)
        with access.refusals(self._services, request, asked):
            return stream.audience.note(asked, grant, peer)

    def _query(self, request: web.Request) -> str:
        """Return what lets a viewer have what its playlist names."""
        path = stream_path(request.match_info["path"])
        address = access.peer_of(self._services, request).address
        return query_of_children(self._services, request, path, address)

    # ------------------------------------------------------------------ answers

    def _playlist(
        self, request: web.Request, stream: HlsStream, text: str, fresh_s: int
    ) -> web.Response:
        headers = {
            "Content-Type": PLAYLIST_TYPE,
            "Cache-Control": f"{access.scope(request)}, max-age={fresh_s}",
            **access.media_headers(self._services, request),
        }
        headers["Vary"] = ", ".join(filter(None, (headers.get("Vary"), "Accept-Encoding")))
        if "gzip" in request.headers.get("Accept-Encoding", "").lower():
            headers["Content-Encoding"] = "gzip"
            return web.Response(body=self._waiting.packed(stream, text), headers=headers)
        return web.Response(body=text.encode(), headers=headers)

    def _media(self, request: web.Request, found: Resource, name: str) -> web.Response:
        headers = {
            "Content-Type": found.content_type,
            "Cache-Control": f"{access.scope(request)}, max-age=31536000, immutable",
            "Accept-Ranges": "bytes",
            "ETag": f'"{name}"',
            **access.media_headers(self._services, request),
        }
        if f'"{name}"' in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        size = len(found.body)
        wanted = byte_range(request, size, headers["ETag"])
        if wanted is None:
            return web.Response(body=found.body, headers=headers)
        start, end = wanted
        headers["Content-Range"] = f"bytes {start}-{end}/{size}"
        return web.Response(status=206, body=found.body[start : end + 1], headers=headers)


def _check_live(stream: HlsStream) -> None:
    """Refuse to give a playlist as live that is not: players would wait for ever."""
    trouble = stream.trouble()
    if trouble is not None:
        raise Problem(503, f"HLS stands still: {trouble}.", headers={"Retry-After": "2"})


def _is_chromium_itself(request: web.Request) -> bool:
    """Say whether Chromium's own player asks, which fails for good on a playlist that is short.

    Its requests differ from those of scripts in it: `Accept-Encoding: gzip, identity;q=1, *;q=0`.
    """
    return _may_wait(request) and MEDIA_ELEMENT in request.headers.get("Accept-Encoding", "")


def _may_wait(request: web.Request) -> bool:
    """Say whether the answer is worth waiting for: one without body is not."""
    return request.method != "HEAD"


def _count(stream: HlsStream, viewer: HlsViewer | None, response: web.Response) -> web.Response:
    """Add what is given to what a stream gave, and a viewer got."""
    if isinstance(response.body, bytes):
        stream.audience.gave(viewer, len(response.body))
    return response


def _dvr(request: web.Request) -> int | None:
    """Return how many seconds a playlist is to reach back; None: it is live alone."""
    seconds = _number(request, DVR)
    if seconds is not None and not 1 <= seconds <= LONGEST_DVR_S:
        raise Problem(400, f"{DVR} must be 1 to {LONGEST_DVR_S} seconds.")
    return seconds


def _number(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    if not DIGITS.fullmatch(text):
        raise Problem(400, f"{name} must be a number.")
    return int(text)
