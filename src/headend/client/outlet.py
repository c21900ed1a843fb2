"""Where a client publishes to: a connection of RTMP or of SRT."""

from typing import Protocol

from headend.client.negotiation import Ask, connect
from headend.errors import SettingsError
from headend.media.tag import Tag
from headend.rtmp.client_events import ClientEvent
from headend.rtmp.url import Url, parse_url
from headend.srt_url import SrtUrl, is_srt, parse_srt_url


class Outlet(Protocol):
    """A connection on which a stream is published."""

    @property
    def url(self) -> Url | SrtUrl:
        """Where it leads."""

    @property
    def is_done(self) -> bool:
        """Nothing can be sent any more; `receive` tells why."""

    def send_tag(self, tag: Tag) -> None:
        """Take a tag, which `flush` sends."""

    async def flush(self) -> None:
        """Send what was taken; waits while the server takes less than we send."""

    async def receive(self) -> list[ClientEvent]:
        """Wait for what the server says.

        Raises:
            HeadendError: The connection is over.
        """

    async def close(self) -> None:
        """End the stream and the connection."""


def parse_destination(url: str, key: str | None = None) -> Url | SrtUrl:
    """Take a URL that can be published to apart.

    Raises:
        SettingsError: It is none.
    """
    if not is_srt(url):
        return parse_url(url, key)
    if key is not None:
        raise SettingsError("key: an srt:// URL has the key in its streamid")
    return parse_srt_url(url)


async def open_outlet(target: Url | SrtUrl, ask: Ask) -> Outlet:
    """Connect until the stream may be sent; the caller closes the connection."""
    if isinstance(target, Url):
        return await connect(target, ask)
    from headend.client import srt  # libsrt is loaded for those who use it

    return await srt.connect(target, ask.timeouts, ask.look_up, reads=False)
