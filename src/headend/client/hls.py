"""HLS as it is played, through FFmpeg's demuxer in a thread.

playlists, segments ─► urllib, TLS as for all ─► demuxer ─► packets ─► FLV muxer ─► tags

FFmpeg opens nothing itself: it would not check certificates, and a playlist could name files.
"""

import http.client
import io
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import BinaryIO, Final

from yarl import URL

from headend.client.http_flv import place_of
from headend.client.http_opener import connect_by, opener
from headend.client.reader import TagReader
from headend.client.sockets import reason_of
from headend.client.timeouts import Timeouts
from headend.codec.hls_input import read_hls
from headend.errors import HeadendError, MediaError, Refusal, Rejected, RelayError
from headend.hub.timeline import GAP_MS, Timeline
from headend.media.tag import SCRIPT, Tag
from headend.net.places import LookUp, PlaceForbidden
from headend.net.tls_client import TlsOptions, explain_handshake
from headend.sources.feed import in_thread

# Bytes. FFmpeg keeps what a playlist names, some 50 000 segments; a segment has ten seconds of
# 200 Mbit/s. What is larger is no HLS that anybody plays.
MAX_PLAYLIST: Final = 4 * 1024 * 1024
MAX_SEGMENT: Final = 256 * 1024 * 1024


@asynccontextmanager
async def open_hls(
    url: URL,
    tls: TlsOptions | None,
    timeouts: Timeouts,
    look_up: LookUp,
    proxies: Mapping[str, str],
) -> AsyncIterator[TagReader]:
    """Read the playlist; the first tags are there when the block begins.

    Args:
        url: Of the playlist.
        tls: Whom to trust; None: the authorities of the system.
        timeouts: How long each step may take.
        look_up: Says where connections may go, those for segments and keys too.
        proxies: The URL of one for each scheme that is fetched by one.

    Raises:
        SettingsError: A file of `tls` is wrong.
        Rejected: The server refuses; holds the status.
        RelayError: The server cannot be reached, is not to be trusted, fails, or names a place
            where no connection may go.
        MediaError: It is no HLS, or holds nothing that FLV can carry.
    """
    made = opener(tls or TlsOptions(), connect_by(look_up), proxies)
    reader = _Demuxer(url, made, timeouts)
    async with aclosing(in_thread(reader.batches())) as feed:
        source = _HlsReader(feed)
        await source.start()
        yield source


class _HlsReader:
    """What the thread gives."""

    was_cut: Final = False  # an end is an end there, or an error

    def __init__(self, feed: "AsyncIterator[list[Tag]]") -> None:
        self._feed = feed
        self._first: Sequence[Tag] | None = None

    async def start(self) -> None:
        """Wait for the first tags."""
        self._first = await anext(self._feed, None)
        if self._first is None:
            raise MediaError("the playlist holds no media")

    async def read(self) -> Sequence[Tag] | None:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return await anext(self._feed, None)


class _Demuxer:
    """What runs in the thread."""

    def __init__(self, url: URL, opener: urllib.request.OpenerDirector, timeouts: Timeouts) -> None:
        self._url = url
        self._timeouts = timeouts
        self._failure: HeadendError | None = None
        self._opener = opener

    def batches(self) -> Generator[list[Tag], None, None]:
        """Demux, and give the tags; blocks."""
        name = f"HLS of {place_of(self._url)}"
        line = Timeline(steady_ms=GAP_MS)  # segments come at once, whatever their pictures' times
        try:
            url, silence_s = str(self._url), self._timeouts.silence_s
            for tags in read_hls(name, url, self._fetch, silence_s):
                yield _mapped(line, tags)
            if isinstance(self._failure, _TooLarge):
                raise self._failure
        except (MediaError, http.client.HTTPException) as error:
            if self._failure is not None:
                raise self._failure from error
            if isinstance(error, MediaError):
                raise
            raise MediaError(f"{name}: {str(error) or type(error).__name__}") from error

    def _fetch(self, url: str, _flags: int, _options: object) -> BinaryIO:
        """Open what FFmpeg asks for.

        It is told of no failure, for it has no words for it: what is empty is skipped if it is a
        segment, and ends the stream if it is a playlist. One that names a place where no
        connection may go, or is too large, is not read any more.
        """
        if isinstance(self._failure, PlaceForbidden | _TooLarge):
            return io.BytesIO()
        try:
            answer = self._request(URL(url))
        except HeadendError as error:
            self._failure = error
            return io.BytesIO()
        self._failure = None
        return _Bounded(answer, self._end)

    def _end(self, reason: str) -> None:
        self._failure = _TooLarge(f"HLS of {place_of(self._url)}: {reason}")

    def _request(self, url: URL) -> BinaryIO:
        if url.scheme not in ("http", "https"):
            raise MediaError(f"HLS of {place_of(self._url)} names a URL of kind {url.scheme!r}")
        try:
            answer: BinaryIO = self._opener.open(str(url), timeout=self._timeouts.connect_s)
        except urllib.error.HTTPError as error:
            with error:
                if 400 <= error.code < 500:
                    raise Rejected(Refusal.REMOTE, error.reason, code=str(error.code)) from error
                raise RelayError(f"{place_of(url)} answers {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            raise RelayError(f"cannot connect to {place_of(url)}: {_why(error, url)}") from error
        return answer


class _TooLarge(MediaError):
    """A server sends more than anybody plays."""


class _Bounded(io.RawIOBase, BinaryIO):
    """An answer that is read up to a limit, where it ends for FFmpeg."""

    def __init__(self, answer: BinaryIO, too_large: Callable[[str], None]) -> None:
        """Take over an answer; `too_large` is told what is wrong with it."""
        self._answer = answer
        self._too_large = too_large
        self._size = 0
        self._is_playlist = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._answer.read(size)
        if not self._size:
            self._is_playlist = data.lstrip(b"\xef\xbb\xbf").startswith(b"#EXTM3U")
        self._size += len(data)
        most = MAX_PLAYLIST if self._is_playlist else MAX_SEGMENT
        if self._size > most:
            kind = "playlist" if self._is_playlist else "segment"
            self._too_large(f"a {kind} is over {most / 1024 / 1024:.3g} MiB")
            return b""
        return data

    def close(self) -> None:
        self._answer.close()


def _why(error: Exception, url: URL) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return "it does not answer"
    if isinstance(reason, OSError):
        return explain_handshake(reason, url.host or "") or reason_of(reason) or str(reason)
    return str(reason) or type(error).__name__


def _mapped(line: Timeline, tags: Sequence[Tag]) -> list[Tag]:
    """Give tags one timeline; those without a time of their own stay as they are."""
    line.review()
    return [
        tag
        if tag.kind is SCRIPT or tag.is_sequence_header
        else tag._replace(timestamp=line.map(tag.kind, tag.timestamp))
        for tag in tags
    ]
