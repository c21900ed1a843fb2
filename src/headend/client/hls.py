"""This module plays HLS, through FFmpeg's demuxer in a thread.

playlists, segments ─► urllib, TLS as for all ─► demuxer ─► packets ─► FLV muxer ─► tags

FFmpeg opens nothing itself: it would not check certificates, and a playlist could name files.
"""

import http.client
import io
import ssl
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final

import av
from av.stream import Discard
from yarl import URL

from headend import __version__
from headend.client.http_flv import place_of
from headend.client.reader import TagReader
from headend.client.sockets import reason_of
from headend.client.timeouts import Timeouts
from headend.errors import HeadendError, MediaError, Rejected, RelayError
from headend.media.flv_muxer import FlvMuxer
from headend.media.tag import Tag
from headend.server.tls_client import TlsOptions, explain_handshake
from headend.sources import tracks
from headend.sources.feed import in_thread

if TYPE_CHECKING:
    from av.container import InputContainer

# FFmpeg would use connections of its own for what comes after the first segment.
OPTIONS: Final = {"http_persistent": "0", "http_multiple": "0"}


@asynccontextmanager
async def open_hls(
    url: URL, tls: TlsOptions | None, timeouts: Timeouts
) -> AsyncIterator[TagReader]:
    """Read the playlist; the first tags are there when the block begins.

    Raises:
        SettingsError: A file of `tls` is wrong.
        Rejected: The server refuses; holds the status.
        RelayError: The server cannot be reached, is not to be trusted, or fails.
        MediaError: It is no HLS, or holds nothing that FLV can carry.
    """
    reader = _Demuxer(url, tls or TlsOptions(), timeouts)
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

    def __init__(self, url: URL, tls: TlsOptions, timeouts: Timeouts) -> None:
        self._url = url
        self._timeouts = timeouts
        self._failure: HeadendError | None = None
        self._opener = urllib.request.build_opener(_TlsHandler(tls))
        self._opener.addheaders = [("User-Agent", f"Headend/{__version__}")]

    def batches(self) -> Generator[list[Tag], None, None]:
        """Demux, and give the tags; blocks."""
        muxer = FlvMuxer()
        try:
            with self._open() as container:
                streams = _chosen(container)
                takes = {s.index: tracks.add_track(s, muxer.container) for s in streams}
                for packet in container.demux(*streams):
                    for ready in takes[packet.stream.index](packet):
                        if tags := muxer.mux(ready):
                            yield tags
                if tags := muxer.close():
                    yield tags
        except (OSError, ValueError, av.FFmpegError, http.client.HTTPException) as error:
            if self._failure is not None:
                raise self._failure from error
            reason = getattr(error, "strerror", None) or str(error)
            raise MediaError(f"HLS of {place_of(self._url)}: {reason}") from error

    def _open(self) -> "InputContainer":
        limits = (self._timeouts.silence_s, self._timeouts.silence_s)
        return av.open(
            str(self._url),
            "r",
            format="hls",
            options=OPTIONS,
            timeout=limits,
            io_open=self._fetch,
        )

    def _fetch(self, url: str, _flags: int, _options: object) -> BinaryIO:
        """Open what FFmpeg asks for.

        It is told of no failure, for it has no words for it: what is empty is skipped if it is a
        segment, and ends the stream if it is a playlist.
        """
        try:
            answer = self._request(URL(url))
        except HeadendError as error:
            self._failure = error
            return io.BytesIO()
        self._failure = None
        return answer

    def _request(self, url: URL) -> BinaryIO:
        if url.scheme not in ("http", "https"):
            raise MediaError(f"HLS of {place_of(self._url)} names a URL of kind {url.scheme!r}")
        try:
            answer: BinaryIO = self._opener.open(str(url), timeout=self._timeouts.connect_s)
        except urllib.error.HTTPError as error:
            with error:
                if 400 <= error.code < 500:
                    raise Rejected(str(error.code), error.reason) from error
                raise RelayError(f"{place_of(url)} answers {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            raise RelayError(f"cannot connect to {place_of(url)}: {_why(error, url)}") from error
        return answer


class _TlsHandler(urllib.request.HTTPSHandler):
    """Opens connections that trust as we are told; the context is made when the first is."""

    def __init__(self, tls: TlsOptions) -> None:
        super().__init__()
        self._tls = tls
        self._made: ssl.SSLContext | None = None

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        self._made = self._made or self._tls.context()
        return self.do_open(partial(_Connection, tls=self._tls, context=self._made), req)


class _Connection(http.client.HTTPSConnection):
    """Says nothing to a server before it is known to be the right one."""

    def __init__(
        self, host: str, *, tls: TlsOptions, context: ssl.SSLContext, timeout: float
    ) -> None:
        super().__init__(host, context=context, timeout=timeout)
        self._tls = tls

    def connect(self) -> None:
        super().connect()
        assert isinstance(self.sock, ssl.SSLSocket)
        self._tls.check(f"{self.host}:{self.port}", self.sock.getpeercert(binary_form=True) or b"")


def _why(error: Exception, url: URL) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return "it does not answer"
    if isinstance(reason, OSError):
        return explain_handshake(reason, url.host or "") or reason_of(reason) or str(reason)
    return str(reason) or type(error).__name__


def _chosen(container: "InputContainer") -> list[tracks.Stream]:
    """Choose the best picture and sound; other variants are not fetched."""
    best = (container.streams.best("video"), container.streams.best("audio"))
    chosen = [s for s in best if isinstance(s, av.VideoStream | av.AudioStream)]
    if not chosen:
        raise MediaError("the playlist holds neither video nor audio")
    for stream in container.streams:
        if stream not in chosen:
            stream.discard = Discard.all
    return chosen
