"""This module opens what a URL names: RTMP, HTTP-FLV, WebSocket-FLV or HLS."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from headend.client.negotiation import Ask
from headend.client.reader import TagReader
from headend.client.rtmp_reader import open_rtmp
from headend.client.sockets import LookUp
from headend.client.timeouts import Timeouts
from headend.errors import SettingsError
from headend.rtmp.url import Url, parse_url, redact
from headend.server.tls_client import TlsOptions

if TYPE_CHECKING:
    from yarl import URL

HTTP_SCHEMES: Final = frozenset({"http", "https", "ws", "wss"})


@asynccontextmanager
async def open_reader(
    target: "Url | URL", *, is_enhanced: bool, tls: TlsOptions | None, timeouts: Timeouts
) -> AsyncIterator[TagReader]:
    """Open what a URL names."""
    if isinstance(target, Url):
        async with open_rtmp(target, Ask("play", is_enhanced, tls, timeouts)) as reader:
            yield reader
        return
    async with open_http(target, tls, timeouts) as other:
        yield other


@asynccontextmanager
async def open_http(
    target: "URL", tls: TlsOptions | None, timeouts: Timeouts, look_up: LookUp | None = None
) -> AsyncIterator[TagReader]:
    """Open what a URL of HTTP or WebSocket names.

    Args:
        target: FLV, or HLS if its path says so.
        tls: Whom to trust; None: the authorities of the system.
        timeouts: How long each step may take.
        look_up: Says where connections may go, wherever redirects and playlists lead; None: they
            go anywhere.
    """
    # What speaks HTTP and HLS is loaded for those who need it.
    if target.path.endswith(".m3u8"):
        from headend.client.hls import open_hls as opened
    else:
        from headend.client.http_flv import open_http_flv as opened
    async with opened(target, tls, timeouts, look_up) as other:
        yield other


def parse_source(url: str | Url) -> "Url | URL":
    """Take a URL that can be played apart.

    Raises:
        SettingsError: It is none.
    """
    if isinstance(url, Url):
        return url
    if url.strip().partition("://")[0].lower() not in HTTP_SCHEMES:
        return parse_url(url)
    from yarl import URL

    try:
        parsed = URL(url.strip())
        port = parsed.port
    except ValueError:
        raise SettingsError(f"URL {redact(url)}: it cannot be taken apart") from None
    if not parsed.host or not port:
        raise SettingsError(f"URL {redact(url)}: no host in it")
    return parsed
