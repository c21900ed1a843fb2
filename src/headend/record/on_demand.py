"""Recordings over HTTP: playlists, and the files that these name.

    /recordings/ID/index.m3u8          one recording; from its start, while it runs
    /recordings/ID/NUMBER.mp4          one of its files, in ranges
    /recordings/ID.mp4                 all of it as one file, in ranges
    /APP/NAME/archive.m3u8?from=&to=   what was recorded of a stream between two times

Who may watch a stream may watch what was recorded of it, and counts as a viewer of it meanwhile.
"""

import asyncio
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from time import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import quote
from weakref import WeakValueDictionary

from aiohttp import web

from headend.errors import DatabaseError, MediaError
from headend.features.routes import HttpRoute
from headend.hls.streams import HlsStreams
from headend.hls.viewers import HlsAudience, HlsViewer
from headend.http import access
from headend.http.assets import root_of
from headend.http.credentials import query_of_children
from headend.http.hls import PLAYLIST_TYPE
from headend.http.paths import stream_path
from headend.http.problems import Problem
from headend.http.ranges import FileRange, PiecesResponse, byte_range, cut
from headend.record.known import KnownRecording
from headend.record.playlist import Listing, playlist
from headend.record.tables import RecordingFilter
from headend.record.times import time_of
from headend.record.values import Recording

if TYPE_CHECKING:
    from headend.record.recordings import Recordings

ID: Final = "{id:[0-9A-Za-z][0-9A-Za-z_-]{0,35}}"
PLAYLIST_ROUTE: Final = f"/recordings/{ID}/index.m3u8"
DOWNLOAD_ROUTE: Final = f"/recordings/{ID}.mp4"
FILE_ROUTE: Final = f"/recordings/{ID}/{{number:[0-9]{{1,6}}}}.{{form:mp4|flv}}"
ARCHIVE_ROUTE: Final = "/{path:.+}/archive.m3u8"

CONTENT_TYPES: Final = {".mp4": "video/mp4", ".flv": "video/x-flv"}
FRESH_S: Final = 1  # of a playlist of what runs, and of its files
OVER_FRESH_S: Final = 60  # of a playlist of what is over, which may be deleted
FOREVER_S: Final = 365 * 86_400
LEVEL: Final = 4  # of compression: a day takes a thread 25 ms
ARCHIVED: Final = 200  # recordings in one playlist
ADDED: Final = 1000  # segments that become lines in one turn of the loop
ANOTHER: Final = "You may watch another stream in place of this one."
VIEWER_S: Final = 30.0  # that a viewer is counted after its last request: players load so far ahead


class OnDemand:
    """The HTTP routes of recordings."""

    def __init__(self, recordings: "Recordings") -> None:
        self._recordings: Final = recordings
        self._services: Final = recordings.services
        # By stream; each is there as long as it has viewers, which hold it.
        self._audiences: Final = WeakValueDictionary[str, HlsAudience]()

    def routes(self) -> Sequence[HttpRoute]:
        """List the addresses."""
        handlers = (
            (PLAYLIST_ROUTE, self.playlist),
            (FILE_ROUTE, self.file),
            (DOWNLOAD_ROUTE, self.download),
            (ARCHIVE_ROUTE, self.archive),
        )
        return [
            route
            for path, handler in handlers
            for route in (
                HttpRoute(path, access.for_other_pages(self._services, handler)),
                HttpRoute(path, self.options, "OPTIONS"),
            )
        ]

    async def options(self, request: web.Request) -> web.StreamResponse:
        """Answer what browsers ask before a request to another origin (Fetch, preflight)."""
        return web.Response(status=204, headers=access.preflight_headers(self._services, request))

    async def playlist(self, request: web.Request) -> web.StreamResponse:
        """Give the playlist of one recording."""
        known, _ = await self._known(request)
        _check_form(known)
        query = self._query(request, known.recording.stream)
        try:
            listing = await self._recordings.known.listed(known)
        except DatabaseError as error:
            raise away(error) from None
        is_over = known.is_whole
        headers = self._playlist_headers(request, OVER_FRESH_S if is_over else FRESH_S)
        if not (_takes_gzip(request) and is_over and not query):
            return await _text(request, playlist([(listing, "")], query, is_over=is_over), headers)
        if not known.packed:
            known.packed = await _packed(playlist([(listing, "")], "", is_over=True))
        return web.Response(body=known.packed, headers={**headers, "Content-Encoding": "gzip"})

    async def archive(self, request: web.Request) -> web.StreamResponse:
        """Give what was recorded of a stream between two times."""
        path = stream_path(request.match_info["path"])
        granted, _ = await self._allow(request, path)
        since, until = _times(request)
        query = self._query(request, path)
        try:
            lists = await self._archived(granted, since, until, root_of(request))
        except DatabaseError as error:
            raise away(error) from None
        if not lists:
            raise Problem(404, f"Nothing was recorded of {path} then.")
        headers = self._playlist_headers(request, OVER_FRESH_S if until < time() else FRESH_S)
        return await _text(request, playlist(lists, query, is_over=True), headers)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Give a file of a recording, or a range of it."""
        known, viewer = await self._known(request)
        number = int(request.match_info["number"])
        file = known.files.get(number)
        if file is None or not file.path.endswith(f".{request.match_info['form']}"):
            raise _no_file()
        path = self._recordings.path_of(file)
        size = known.sizes.get(number)
        try:
            if size is None:
                size = (await asyncio.to_thread(path.stat)).st_size
                if known.is_over:
                    known.sizes[number] = size
            name = f"{known.recording.id}-{number}"
            etag = f'"{name}"' if known.is_over else f'"{name}-{size}"'
            with known.in_use(), _answered(request, viewer):
                whole = [FileRange(path, 0, size)]
                return _gave(viewer, await self._send(request, whole, size, etag, known))
        except OSError as error:
            if isinstance(error, ConnectionError):
                raise
            raise _no_file() from None

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Give a recording as one MP4 file, or a range of it."""
        known, viewer = await self._known(request)
        with _answered(request, viewer):
            return _gave(viewer, await self.give_download(request, known))

    async def give_download(
        self, request: web.Request, known: KnownRecording
    ) -> web.StreamResponse:
        """Give a recording as one MP4 file; the caller has checked that the client may have it."""
        _check_form(known)
        if not known.is_over:
            raise Problem(409, "This recording goes on: it is one file when it is over.")
        try:
            with known.in_use():
                listing = await self._recordings.known.listed(known)
                made = await self._recordings.downloads.of(known, listing)
                etag = f'"{known.recording.id}-{made.size}"'
                disposition = {"Content-Disposition": _disposition(known.recording)}
                return await self._send(request, made.pieces, made.size, etag, known, disposition)
        except DatabaseError as error:
            raise away(error) from None
        except MediaError as error:
            raise Problem(503, f"This recording cannot be given as one file: {error}.") from None
        except OSError as error:
            if isinstance(error, ConnectionError):
                raise
            raise _no_file() from None

    # ------------------------------------------------------------------ inside

    async def _known(self, request: web.Request) -> tuple[KnownRecording, HlsViewer | None]:
        """Return the recording that a request names, if its client may watch it."""
        try:
            known = await self._recordings.known.get(request.match_info["id"])
        except DatabaseError as error:
            raise away(error) from None
        if known is None:
            raise no_recording()
        stream = known.recording.stream
        granted, viewer = await self._allow(request, stream)
        if granted != stream:
            raise Problem(403, ANOTHER)
        return known, viewer

    async def _allow(self, request: web.Request, path: str) -> tuple[str, HlsViewer | None]:
        """Let in a viewer who may watch a stream, or another one in place of it.

        One who watches it live over HLS is that viewer here too.

        Returns:
            What may be watched, and who does; None: there are too many to tell them apart.
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

    async def _archived(
        self, path: str, since: float, until: float, root: str
    ) -> list[tuple[Listing, str]]:
        tables = self._recordings.index.tables()
        wanted = RecordingFilter(name=path, since=since, until=until)
        found = await tables.page(wanted, limit=ARCHIVED + 1)
        if len(found) > ARCHIVED:
            raise Problem(
                422, f"There are more than {ARCHIVED} recordings between from and to: ask for less."
            )
        lists = []
        for recording in reversed(found):
            files = {file.number: file for file in await tables.files(recording.id)}
            if any(not file.path.endswith(".mp4") for file in files.values()):
                continue  # HLS knows no FLV
            segments = await tables.segments(recording.id, between=(since, until))
            listing = Listing()
            for start in range(0, len(segments), ADDED):
                listing.add(files, segments[start : start + ADDED])
                await asyncio.sleep(0)
            if listing.last is not None:
                lists.append((listing, f"{root}recordings/{recording.id}/"))
        return lists

    def _query(self, request: web.Request, path: str) -> str:
        """Return the query with which a viewer may fetch the files that its playlist names."""
        address = access.peer_of(self._services, request).address
        return query_of_children(self._services, request, path, address)

    def _playlist_headers(self, request: web.Request, fresh_s: int) -> dict[str, str]:
        headers = {
            "Content-Type": PLAYLIST_TYPE,
            "Cache-Control": f"{access.scope(request)}, max-age={fresh_s}",
            **access.media_headers(self._services, request),
        }
        headers["Vary"] = ", ".join(filter(None, (headers.get("Vary"), "Accept-Encoding")))
        return headers

    async def _send(
        self,
        request: web.Request,
        pieces: Sequence[FileRange],
        size: int,
        etag: str,
        known: KnownRecording,
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> web.StreamResponse:
        fresh = f"{FOREVER_S}, immutable" if known.is_over else str(FRESH_S)
        headers = {
            "Content-Type": CONTENT_TYPES[pieces[-1].path.suffix],
            "Cache-Control": f"{access.scope(request)}, max-age={fresh}",
            "Accept-Ranges": "bytes",
            "ETag": etag,
            **access.media_headers(self._services, request),
            **more,
        }
        if etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        wanted = byte_range(request, size, etag)
        reads = self._recordings.reads
        if wanted is None:
            return await PiecesResponse(reads, pieces, 200, headers).send(request)
        start, end = wanted
        headers["Content-Range"] = f"bytes {start}-{end}/{size}"
        some = list(cut(pieces, start, end))
        return await PiecesResponse(reads, some, 206, headers).send(request)


@contextmanager
def _answered(request: web.Request, viewer: HlsViewer | None) -> Iterator[None]:
    """Count a viewer while it is given a file."""
    transport = request.transport
    if viewer is None or transport is None:
        yield
        return
    with viewer.answered(transport.abort):
        yield


def _gave(viewer: HlsViewer | None, response: web.StreamResponse) -> web.StreamResponse:
    """Count the bytes of a file that a viewer has got."""
    if viewer is not None and isinstance(response, PiecesResponse):
        viewer.gets(response.sent)
    return response


def _disposition(recording: Recording) -> str:
    """Return the header that names the saved file (RFC 6266)."""
    began = datetime.fromtimestamp(recording.started, UTC)
    name = f"{recording.stream.replace('/', '-')} {began:%Y-%m-%dT%H-%M-%SZ}.mp4"
    plain = "".join(each if each.isascii() and each not in '"\\' else "_" for each in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"


def away(error: DatabaseError) -> Problem:
    """Return the problem for a database that does not answer."""
    return Problem(503, f"{error}.", headers={"Retry-After": "5"})


def no_recording() -> Problem:
    """Return the problem for a recording that is not there."""
    return Problem(404, "There is no such recording.", title="Recording not found")


def _check_form(known: KnownRecording) -> None:
    """Return if a recording is MP4, of which HLS and a download are made."""
    if any(not file.path.endswith(".mp4") for file in known.files.values()):
        raise Problem(
            409,
            f"This recording is FLV (record.format): its files are /recordings/"
            f"{known.recording.id}/NUMBER.flv, from 0 on.",
        )


def _no_file() -> Problem:
    return Problem(404, "There is no such file of this recording, or not any more.")


def _times(request: web.Request) -> tuple[float, float]:
    since, until = time_of(request, "from"), time_of(request, "to")
    if since is None:
        raise Problem(422, "from: when it begins, as ISO 8601 or Unix seconds.")
    until = time() if until is None else until
    if since >= until:
        raise Problem(422, "from must be before to.")
    return since, until


async def _text(request: web.Request, text: str, headers: dict[str, str]) -> web.Response:
    if _takes_gzip(request):
        return web.Response(
            body=await _packed(text), headers={**headers, "Content-Encoding": "gzip"}
        )
    return web.Response(body=text.encode(), headers=headers)


def _takes_gzip(request: web.Request) -> bool:
    return "gzip" in request.headers.get("Accept-Encoding", "").lower()


async def _packed(text: str) -> bytes:
    return await asyncio.to_thread(_pack, text)


def _pack(text: str) -> bytes:
    made = zlib.compressobj(LEVEL, zlib.DEFLATED, 31)  # 31: as gzip
    return made.compress(text.encode()) + made.flush()
