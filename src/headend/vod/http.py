"""Media files over HTTP: HLS, cut as players ask.

    /vod/PATH/index.m3u8          the file, or what there is to choose from
    /vod/PATH/TRACKS/index.m3u8   some of its tracks
    /vod/PATH/TRACKS/init.mp4     what stands before their segments
    /vod/PATH/TRACKS/NUMBER.mp4   a segment; texts: NUMBER.vtt

Who may watch the stream `vod/PATH` may watch the file.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from headend.codec.file_index import FileIndex
from headend.errors import MediaError
from headend.features.routes import HttpRoute
from headend.hls.viewers import HlsViewer
from headend.http import stored
from headend.http.paths import stream_path
from headend.http.problems import Problem
from headend.http.ranges import FileRange
from headend.media.boxes import HEAD_BYTES, box_head
from headend.vod.library import NotIndexed
from headend.vod.playlists import first_tracks, index_playlist, segments_playlist
from headend.vod.values import APP, MediaPath

if TYPE_CHECKING:
    from headend.vod.files import MediaFiles

FILE: Final = f"/{APP}/{{path:.+}}"
TRACKS: Final = FILE + "/{tracks:[0-9]{1,3}(?:_[0-9]{1,3})?}"
FRESH_S: Final = 60  # of a playlist: the file may be changed
KEPT_S: Final = 3600  # of segments, whose address stays when the file is changed
CONTENT_TYPES: Final = {"mp4": "video/mp4", "vtt": "text/vtt; charset=utf-8"}
AGAIN: Final = {"Retry-After": "5"}


class VodRoutes:
    """The HTTP routes of media files."""

    def __init__(self, files: "MediaFiles") -> None:
        """Take the files."""
        self._files: Final = files
        self._services: Final = files.services
        self._viewers: Final = stored.StoredViewers(files.services)

    def routes(self) -> Sequence[HttpRoute]:
        """List the addresses."""
        handlers = (
            (f"{TRACKS}/index.m3u8", self.tracks),
            (f"{TRACKS}/init.mp4", self.init),
            (f"{TRACKS}/{{number:[0-9]{{1,6}}}}.{{form:mp4|vtt}}", self.segment),
            (f"{FILE}/index.m3u8", self.index),
        )
        return stored.media_routes(self._services, handlers)

    async def index(self, request: web.Request) -> web.StreamResponse:
        """Give the playlist of a file."""
        media, index, _ = await self._asked(request)
        query = self._query(request, media)
        return await self._playlist(request, index_playlist(index, media.size, query))

    async def tracks(self, request: web.Request) -> web.StreamResponse:
        """Give the playlist of some tracks of a file."""
        media, index, _ = await self._asked(request)
        _, form = _tracks(request, index)
        return await self._playlist(
            request, segments_playlist(index, "", form, self._query(request, media))
        )

    async def init(self, request: web.Request) -> web.StreamResponse:
        """Give what stands before the segments of some tracks: it is with the first of them."""
        return await self._segment(request, 0, is_init=True)

    async def segment(self, request: web.Request) -> web.StreamResponse:
        """Give a segment of some tracks."""
        return await self._segment(request, int(request.match_info["number"]), is_init=False)

    # ------------------------------------------------------------------ inside

    async def _segment(
        self, request: web.Request, number: int, *, is_init: bool
    ) -> web.StreamResponse:
        media, index, viewer = await self._asked(request)
        tracks, form = _tracks(request, index)
        if number >= len(index.starts) or request.match_info.get("form", "mp4") != form:
            raise _nothing()
        library = self._files.library
        try:
            with stored.answered(request, viewer):
                async with library.segment(media, number, tracks, f".{form}") as path:
                    piece = await asyncio.to_thread(_piece, path, form, is_init=is_init)
                    name = f'"{media.key[:16]}-{number}-{"i" if is_init else "m"}"'
                    content = stored.StoredContent(
                        [piece], piece.size, name, CONTENT_TYPES[form], KEPT_S
                    )
                    answer = await stored.send(self._services, request, self._files.reads, content)
                    return stored.gave(viewer, answer)
        except MediaError as error:
            raise Problem(503, f"This segment cannot be made: {error}.", headers=AGAIN) from None
        except OSError as error:
            if isinstance(error, ConnectionError):
                raise
            why = error.strerror or "it cannot be read"
            raise Problem(503, f"This segment cannot be made: {why}.", headers=AGAIN) from None

    async def _asked(self, request: web.Request) -> tuple[MediaPath, FileIndex, HlsViewer | None]:
        """Return the file that a request names, if its client may watch it."""
        path = stream_path(f"{APP}/{request.match_info['path']}")
        granted, viewer = await self._viewers.allow(request, path)
        media = await self._files.find_file(granted)
        if media is None:
            raise _nothing()
        try:
            return media, await self._files.library.index(media), viewer
        except NotIndexed as error:
            raise Problem(503, f"This file is not ready: {error}.", headers=AGAIN) from None
        except MediaError as error:
            raise Problem(422, f"This file cannot be played: {error}.") from None

    def _query(self, request: web.Request, media: MediaPath) -> str:
        return stored.child_query(self._services, request, f"{APP}/{media.name}")

    async def _playlist(self, request: web.Request, text: str) -> web.StreamResponse:
        headers = stored.playlist_headers(self._services, request, FRESH_S)
        return await stored.playlist_answer(request, text, headers)


def _tracks(request: web.Request, index: FileIndex) -> tuple[Sequence[int], str]:
    """Return the tracks that a request names, and the form of their segments."""
    tracks = [int(each) for each in request.match_info["tracks"].split("_")]
    kinds = {track.number: track.kind for track in index.tracks}
    if tracks != first_tracks(index) and (len(tracks) > 1 or tracks[0] not in kinds):
        raise _nothing()
    return tracks, "vtt" if kinds[tracks[0]] == "text" else "mp4"


def _piece(path: Path, form: str, *, is_init: bool) -> FileRange:
    """Return the part of a segment's file that is sent; blocks."""
    size = path.stat().st_size
    if form != "mp4":
        return FileRange(path, 0, size)
    init = init_size(path)
    return FileRange(path, 0, init) if is_init else FileRange(path, init, size - init)


def init_size(path: Path) -> int:
    """Return how many bytes stand before the media of a segment's file; blocks.

    Raises:
        MediaError: It is no such file.
        OSError: It cannot be read.
    """
    at = 0
    with path.open("rb") as file:
        while True:
            file.seek(at)
            kind, _, size = box_head(file.read(HEAD_BYTES))
            if kind == b"moof":
                return at
            at += size


def _nothing() -> Problem:
    return Problem(404, "There is no such file, or nothing of that name in it.")
