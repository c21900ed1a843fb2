"""Answers about what is stored, to viewers over HTTP: playlists, and files in ranges.

Who asks for what is stored is a viewer of a stream, and counts as one meanwhile.
"""

import asyncio
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from aiohttp import web

from headend.features.routes import Handler, HttpRoute
from headend.hls.streams import HlsStreams
from headend.hls.viewers import HlsAudience, HlsViewer
from headend.http import access
from headend.http.credentials import query_of_children
from headend.http.hls import PLAYLIST_TYPE
from headend.http.ranges import Piece, PiecesResponse, byte_range, cut
from headend.live.services import Services
from headend.net.file_piece import FileReads

FOREVER_S: Final = 365 * 86_400
GZIP: Final = 31  # window bits of zlib: 15, and 16 for a header of gzip
LEVEL: Final = 4  # of compression: a day takes a thread 25 ms
VIEWER_S: Final = 30.0  # that a viewer is counted after its last request: players load so far ahead


class StoredViewers:
    """The viewers of one kind of stored media."""

    def __init__(self, services: Services) -> None:
        """Make an empty set."""
        self._services: Final = services
        # By stream; each is there as long as it has viewers, which hold it.
        self._audiences: Final = WeakValueDictionary[str, HlsAudience]()

    async def allow(self, request: web.Request, path: str) -> tuple[str, HlsViewer | None]:
        """Let in a viewer who may watch a stream, or another one in place of it.

        One who watches it live over HLS is that viewer here too.

        Returns:
            What may be watched, and who does; None: there are too many to tell them apart.

        Raises:
            Problem: The viewer may not.
        """
        services = self._services
        asked = access.question(services, request, path, "hls")
        grant = await access.decide(services, request, asked)
        hls = services.features[HlsStreams]
        live = hls.find(grant.path)
        audience = None if live is None else live.audience
        if audience is None or audience.find(asked, grant) is None:
            audience = self._audiences.get(grant.path)
        if audience is None:
            audience = self._audiences[grant.path] = HlsAudience(hls.viewers, VIEWER_S)
        with access.refusals(services, request, asked):
            viewer = audience.note(asked, grant, access.peer_of(services, request))
        return grant.path, viewer


class StoredContent(NamedTuple):
    """A body that is made of files.

    Attributes:
        pieces: Its bytes, in their order.
        size: Size of all, bytes.
        etag: Tells this version from others.
        content_type: Content-Type.
        kept_s: Seconds that it may be kept; FOREVER_S: it never changes.
    """

    pieces: Sequence[Piece]
    size: int
    etag: str
    content_type: str
    kept_s: int


async def send(
    services: Services,
    request: web.Request,
    reads: FileReads,
    body: StoredContent,
    more: Mapping[str, str] = MappingProxyType({}),
) -> web.StreamResponse:
    """Send a body, or the range of it that is asked for.

    Args:
        services: Services of the server.
        request: The request of a client that may have it.
        reads: Threads that read files.
        body: The body.
        more: More headers.

    Raises:
        OSError: The first file is not there; nothing was sent.
        StoreError: The object store does not give the first piece; nothing was sent.
    """
    pieces, size, etag, content_type, kept_s = body
    kept = f"{kept_s}, immutable" if kept_s == FOREVER_S else str(kept_s)
    headers = {
        "Content-Type": content_type,
        "Cache-Control": f"{access.scope(request)}, max-age={kept}",
        "Accept-Ranges": "bytes",
        "ETag": etag,
        **access.media_headers(services, request),
        **more,
    }
    if etag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    wanted = byte_range(request, size, etag)
    if wanted is None:
        return await PiecesResponse(reads, pieces, 200, headers).send(request)
    start, end = wanted
    headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    return await PiecesResponse(reads, list(cut(pieces, start, end)), 206, headers).send(request)


@contextmanager
def answered(request: web.Request, viewer: HlsViewer | None) -> Iterator[None]:
    """Count a viewer while it is given a file."""
    transport = request.transport
    if viewer is None or transport is None:
        yield
        return
    with viewer.answered(transport.abort):
        yield


def gave(viewer: HlsViewer | None, response: web.StreamResponse) -> web.StreamResponse:
    """Count the bytes of a file that a viewer has got."""
    if viewer is not None and isinstance(response, PiecesResponse):
        viewer.gets(response.sent)
    return response


def child_query(services: Services, request: web.Request, path: str) -> str:
    """Return the query with which a viewer may fetch what its playlist names."""
    address = access.peer_of(services, request).address
    return query_of_children(services, request, path, address)


def playlist_headers(services: Services, request: web.Request, fresh_s: int) -> dict[str, str]:
    """Return the headers of a playlist that may be kept for so many seconds."""
    headers = {
        "Content-Type": PLAYLIST_TYPE,
        "Cache-Control": f"{access.scope(request)}, max-age={fresh_s}",
        **access.media_headers(services, request),
    }
    headers["Vary"] = ", ".join(filter(None, (headers.get("Vary"), "Accept-Encoding")))
    return headers


async def playlist_answer(
    request: web.Request, text: str, headers: Mapping[str, str]
) -> web.Response:
    """Answer with a playlist, compressed where the client takes that."""
    if takes_gzip(request):
        return packed_answer(await packed(text), headers)
    return web.Response(body=text.encode(), headers=headers)


def packed_answer(body: bytes, headers: Mapping[str, str]) -> web.Response:
    """Answer with a playlist that is compressed."""
    return web.Response(body=body, headers={**headers, "Content-Encoding": "gzip"})


def takes_gzip(request: web.Request) -> bool:
    """Say whether a client takes compressed bodies."""
    return "gzip" in request.headers.get("Accept-Encoding", "").lower()


async def packed(text: str) -> bytes:
    """Compress a text, in a thread."""
    return await asyncio.to_thread(pack, text)


def pack(text: str) -> bytes:
    """Compress a text, as gzip."""
    made = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
    return made.compress(text.encode()) + made.flush()


def media_routes(
    services: Services, handlers: Sequence[tuple[str, Handler]]
) -> Sequence[HttpRoute]:
    """List addresses that web pages of `http.origins` may read too."""

    async def options(request: web.Request) -> web.StreamResponse:
        """Answer what browsers ask before a request to another origin (Fetch, preflight)."""
        return web.Response(status=204, headers=access.preflight_headers(services, request))

    return [
        route
        for path, handler in handlers
        for route in (
            HttpRoute(path, access.for_other_pages(services, handler)),
            HttpRoute(path, options, "OPTIONS"),
        )
    ]
