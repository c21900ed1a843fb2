"""This module says with which URL a person on this machine reaches a server."""

from collections.abc import Mapping, Sequence
from typing import Final

SCHEMES: Final = (("http", "http"), ("tls", "https"))


def web_url(addresses: Mapping[str, Sequence[str]]) -> str:
    """Return the URL of the console, which those of pages and streams begin with.

    Args:
        addresses: Where the server listens, by listener.

    Returns:
        With a slash at its end; empty: nothing is to be had over TCP.
    """
    for name, scheme in SCHEMES:
        for address in addresses[name]:
            if not address.startswith("unix:"):
                return f"{scheme}://{address}/"
    return ""
