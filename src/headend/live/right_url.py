"""The right URL for a peer that came to the RTMP port with another protocol."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from headend.errors import WrongProtocol

# What a listener is reached with, for what was spoken; the first that there is counts.
_MEANT: Final = {
    "TLS": (("tls", "rtmps"), ("rtmp", "rtmp")),  # rtmp: where TLS is not to be had
    "HTTP": (("http", "http"), ("tls", "https")),
}


def right_url(error: Exception, addresses: Mapping[str, Sequence[str]]) -> str:
    """Say which URL is right, to be appended to an error; empty: the error has another cause.

    Args:
        error: Why a connection is closed.
        addresses: Where the server listens, by listener.
    """
    if not isinstance(error, WrongProtocol):
        return ""
    found = first_over_tcp(addresses, _MEANT[error.spoken])
    return f": use {found[0]}://HOST:{found[1].rpartition(':')[2]}" if found else ""


def first_over_tcp(
    addresses: Mapping[str, Sequence[str]], wanted: Iterable[tuple[str, str]]
) -> tuple[str, str] | None:
    """Return scheme and address of the first listener wanted that is reached over TCP.

    Args:
        addresses: Where the server listens, by listener.
        wanted: Listeners, each with the scheme of its URLs.
    """
    for listener, scheme in wanted:
        for address in addresses[listener]:
            if not address.startswith("unix:"):
                return scheme, address
    return None
