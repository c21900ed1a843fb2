"""Recordings over HTTP: playlists, and the files that these name.

    /recordings/ID/index.m3u8          one recording; from its start, while it runs
    /recordings/ID/NUMBER.mp4          one of its files, in ranges
    /recordings/ID.mp4                 all of it as one file, in ranges
    /APP/NAME/archive.m3u8?from=&to=   what was recorded of a stream between two times

Who may watch a stream may watch what was recorded of it, and counts as a viewer of it meanwhile.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from time import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from aiohttp import web

from headend.errors import DatabaseError, MediaError, StoreError
from headend.features.routes import HttpRoute
from headend.hls.viewers import HlsViewer
from headend.http import stored
from headend.http.assets import root_of
from headend.http.paths import stream_path
from headend.http.problems import Problem
from headend.http.ranges import FileRange, RemoteRange
from headend.record.known import KnownRecording
from headend.record.playlist import PlacedListing, SegmentList, playlist
from headend.record.tables import RecordingFilter
from headend.record.times import time_of
from headend.record.values import RecordedFile, Recording

if TYPE_CHECKING:
    from headend.record.recordings import Recordings

ID: Final = "{id:[0-9A-Za-z][0-9A-Za-z_-]{0,35}}"
PLAYLIST_ROUTE: Final = f"/recordings/{ID}/index.m3u8"
DOWNLOAD_ROUTE: Final = f"/recordings/{ID}.mp4"
FILE_ROUTE: Final = f"/recordings/{ID}/{{number:[0-9]{{1,6}}}}.{{form:mp4|flv}}"
ARCHIVE_ROUTE: Final = "/{path:.+}/archive.m3u8"

FRESH_S: Final = 1  # of a playlist of what runs, and of its files
OVER_FRESH_S: Final = 60  # of a playlist of what is over, which may be deleted
ARCHIVED: Final = 200  # recordings in one playlist
ADDED: Final = 1000  # segments that become lines in one turn of the loop
ANOTHER: Final = "You may watch another stream in place of this one."


class OnDemand:
    """The HTTP routes of recordings."""

    def __init__(self, recordings: "Recordings") -> None:
        self._recordings: Final = recordings
        self._services: Final = recordings.services
        self._viewers: Final = stored.StoredViewers(recordings.services)

    def routes(self) -> Sequence[HttpRoute]:
        """List the addresses."""
        handlers = (
            (PLAYLIST_ROUTE, self.playlist),
            (FILE_ROUTE, self.file),
            (DOWNLOAD_ROUTE, self.download),
            (ARCHIVE_ROUTE, self.archive),
        )
        return stored.media_routes(self._services, handlers)

    async def playlist(self, request: web.Request) -> web.StreamResponse:
        """Give the playlist of one recording."""
        known, _ = await self._known(request)
        _check_form(known)
        services = self._services
        query = stored.child_query(services, request, known.recording.stream)
        try:
            listing = await self._recordings.known.listed(known)
        except DatabaseError as error:
            raise away(error) from None
        is_over = known.is_whole
        fresh_s = OVER_FRESH_S if is_over else FRESH_S
        headers = stored.playlist_headers(services, request, fresh_s)
        listed = PlacedListing(listing, "", self._urls(known.files, known.recording.stream))
        if not (stored.takes_gzip(request) and is_over and not query and not listed.urls):
            if is_over:  # nothing is added to it any more
                text = await asyncio.to_thread(playlist, [listed], query, is_over=True)
            else:
                text = playlist([listed], query, is_over=False)
            return await stored.playlist_answer(request, text, headers)
        if not known.packed:
            known.packed = await stored.packed(playlist([listed], "", is_over=True))
        return stored.packed_answer(known.packed, headers)

    def _is_private(self, stream: str) -> bool:
        return not self._services.gate.is_open(stream)

    def _urls(self, files: Mapping[int, RecordedFile], stream: str) -> dict[int, str]:
        """Return where files are fetched that are not fetched through us, by their numbers."""
        is_private, places = self._is_private(stream), self._recordings.places
        found = {
            number: places.public_url(file, is_private=is_private) for number, file in files.items()
        }
        return {number: url for number, url in found.items() if url is not None}

    async def archive(self, request: web.Request) -> web.StreamResponse:
        """Give what was recorded of a stream between two times."""
        path = stream_path(request.match_info["path"])
        granted, _ = await self._viewers.allow(request, path)
        since, until = _times(request)
        query = stored.child_query(self._services, request, path)
        try:
            lists = await self._archived(granted, since, until, root_of(request))
        except DatabaseError as error:
            raise away(error) from None
        if not lists:
            raise Problem(404, f"Nothing was recorded of {path} then.")
        fresh_s = OVER_FRESH_S if until < time() else FRESH_S
        headers = stored.playlist_headers(self._services, request, fresh_s)
        text = playlist(lists, query, is_over=True)
        return await stored.playlist_answer(request, text, headers)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Give a file of a recording, or a range of it."""
        known, viewer = await self._known(request)
        number = int(request.match_info["number"])
        file = known.files.get(number)
        if file is None or not file.path.endswith(f".{request.match_info['form']}"):
            raise _no_file()
        await self._send_elsewhere(request, file, known.recording.stream)
        try:
            whole = await self._whole(known, file)
            name = f"{known.recording.id}-{number}"
            etag = f'"{name}"' if known.is_over else f'"{name}-{whole.size}"'
            with known.in_use(), stored.answered(request, viewer):
                sent = await self._send(request, [whole], whole.size, etag, known)
                return stored.gave(viewer, sent)
        except StoreError as error:
            raise _store_away(error) from None
        except OSError as error:
            if isinstance(error, ConnectionError):
                raise
            raise _no_file() from None

    async def _whole(self, known: KnownRecording, file: RecordedFile) -> FileRange | RemoteRange:
        """Return all of a file; of what is over, the disk is asked once."""
        whole = known.whole.get(file.number)
        if whole is None:
            whole = await self._recordings.places.whole(file)
            if known.is_over and not (file.store and file.is_local):  # it may go any moment
                known.whole[file.number] = whole
        return whole

    async def _send_elsewhere(self, request: web.Request, file: RecordedFile, stream: str) -> None:
        """Send a client to the store for a file that is there, if the settings say so."""
        if request.method != "GET":
            return  # what is signed is signed for that
        places = self._recordings.places
        try:
            url = places.public_url(file, is_private=self._is_private(stream))
            url = url or await places.signed_url(file)
        except StoreError as error:
            raise _store_away(error) from None
        if url is not None:
            raise web.HTTPFound(url)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Give a recording as one MP4 file, or a range of it."""
        known, viewer = await self._known(request)
        with stored.answered(request, viewer):
            return stored.gave(viewer, await self.give_download(request, known))

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
        except StoreError as error:
            raise _store_away(error) from None
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
        granted, viewer = await self._viewers.allow(request, stream)
        if granted != stream:
            raise Problem(403, ANOTHER)
        return known, viewer

    async def _archived(
        self, path: str, since: float, until: float, root: str
    ) -> list[PlacedListing]:
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
            listing = SegmentList()
            for start in range(0, len(segments), ADDED):
                listing.add(files, segments[start : start + ADDED])
                await asyncio.sleep(0)
            if listing.last is not None:
                place = f"{root}recordings/{recording.id}/"
                lists.append(PlacedListing(listing, place, self._urls(files, path)))
        return lists

    async def _send(
        self,
        request: web.Request,
        pieces: Sequence[FileRange | RemoteRange],
        size: int,
        etag: str,
        known: KnownRecording,
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> web.StreamResponse:
        content_type = "video/x-flv" if known.is_flv else "video/mp4"
        kept_s = stored.FOREVER_S if known.is_over else FRESH_S
        body = stored.StoredContent(pieces, size, etag, content_type, kept_s)
        return await stored.send(self._services, request, self._recordings.reads, body, more)


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
    if known.is_flv:
        raise Problem(
            409,
            f"This recording is FLV (record.format): its files are /recordings/"
            f"{known.recording.id}/NUMBER.flv, from 0 on.",
        )


def _store_away(error: StoreError) -> Problem:
    return Problem(503, f"{str(error).capitalize()}.", headers={"Retry-After": "5"})


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
