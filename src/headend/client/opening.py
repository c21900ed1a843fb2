"""What a URL names, opened: RTMP, SRT, HTTP-FLV, WebSocket-FLV or HLS."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from urllib.request import getproxies

from headend.client.negotiation import Ask
from headend.client.reader import TagReader
from headend.client.rtmp_reader import open_rtmp
from headend.client.timeouts import Timeouts
from headend.errors import SettingsError
from headend.net.places import DialRoute, LookUp
from headend.net.tls_client import TlsOptions
from headend.redaction import redact
from headend.rtmp.url import Url, parse_url
from headend.srt_url import SrtUrl, is_srt, parse_srt_url

if TYPE_CHECKING:
    from yarl import URL

HTTP_SCHEMES: Final = frozenset({"http", "https", "ws", "wss"})
NO_PROXIES: Final[Mapping[str, str]] = MappingProxyType({})


@asynccontextmanager
async def open_reader(
    target: "Url | SrtUrl | URL", *, is_enhanced: bool, tls: TlsOptions | None, timeouts: Timeouts
) -> AsyncIterator[TagReader]:
    """Open what a URL names."""
    if isinstance(target, Url):
        ask = Ask("play", is_enhanced, tls, timeouts, DialRoute(target.host).look_up)
        async with open_rtmp(target, ask) as reader:
            yield reader
        return
    if isinstance(target, SrtUrl):
        from headend.client.srt import open_srt  # libsrt is loaded for those who use it

        async with open_srt(target, timeouts, DialRoute(target.host).look_up) as srt:
            yield srt
        return
    route, proxies = DialRoute(target.raw_host or ""), getproxies()
    route.take_proxies(list(filter(None, (urlsplit(each).hostname for each in proxies.values()))))
    async with open_http(target, tls, timeouts, route.look_up, proxies) as other:
        yield other


@asynccontextmanager
async def open_http(
    target: "URL",
    tls: TlsOptions | None,
    timeouts: Timeouts,
    look_up: LookUp,
    proxies: Mapping[str, str] = NO_PROXIES,
) -> AsyncIterator[TagReader]:
    """Open what a URL of HTTP or WebSocket names.

    Args:
        target: FLV, or HLS if its path says so.
        tls: Whom to trust; None: the authorities of the system.
        timeouts: How long each step may take.
        look_up: Says where connections may go, wherever redirects and playlists lead.
        proxies: By which HLS is fetched: the URL of one for each scheme.
    """
    # What speaks HTTP and HLS is loaded for those who need it.
    if target.path.endswith(".m3u8"):
        from headend.client.hls import open_hls

        opened = open_hls(target, tls, timeouts, look_up, proxies)
    else:
        from headend.client.http_flv import open_http_flv

        opened = open_http_flv(target, tls, timeouts, look_up)
    async with opened as other:
        yield other


def parse_source(url: str | Url | SrtUrl) -> "Url | SrtUrl | URL":
    """Take a URL that can be played apart.

    Raises:
        SettingsError: It is none.
    """
    if isinstance(url, Url | SrtUrl):
        return url
    if is_srt(url):
        return parse_srt_url(url)
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
