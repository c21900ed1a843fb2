"""The URL with which a person on this machine reaches a server."""

from collections.abc import Mapping, Sequence
from typing import Final

from headend.live.right_url import first_over_tcp

SCHEMES: Final = (("http", "http"), ("tls", "https"))


def web_url(addresses: Mapping[str, Sequence[str]]) -> str:
    """Return the URL with which the URLs of pages and streams begin.

    Args:
        addresses: Where the server listens, by listener.

    Returns:
        The URL, with a slash at its end; empty: the server does not serve HTTP over TCP.
    """
    found = first_over_tcp(addresses, SCHEMES)
    return f"{found[0]}://{found[1]}/" if found else ""
