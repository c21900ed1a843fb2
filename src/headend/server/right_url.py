"""This module names the URL that somebody meant who came to the RTMP port with something else."""

from collections.abc import Mapping, Sequence
from typing import Final

from headend.errors import WrongProtocol

# What a listener is reached with, for what was spoken; the first that there is counts.
_MEANT: Final = {
    "TLS": (("tls", "rtmps"), ("rtmp", "rtmp")),  # rtmp: where TLS is not to be had
    "HTTP": (("http", "http"), ("tls", "https")),
}


def right_url(error: Exception, addresses: Mapping[str, Sequence[str]]) -> str:
    """Say which URL is right, to be appended to an error; empty: it is about something else.

    Args:
        error: Why a connection is closed.
        addresses: Where the server listens, by listener.
    """
    if not isinstance(error, WrongProtocol):
        return ""
    for listener, scheme in _MEANT[error.spoken]:
        for address in addresses[listener]:
            if not address.startswith("unix:"):
                return f": use {scheme}://HOST:{address.rpartition(':')[2]}"
    return ""
