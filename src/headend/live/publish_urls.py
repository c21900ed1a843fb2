"""URLs to which encoders publish a stream, as the field Server of OBS takes them."""

from collections.abc import Mapping, Sequence
from typing import Final

from headend.live.right_url import first_over_tcp

LISTENERS: Final = (("rtmp", "rtmp"), ("tls", "rtmps"))
ALL: Final = frozenset({"", "0.0.0.0", "[::]", "::", "*"})


def publish_servers(
    addresses: Mapping[str, Sequence[str]], host: str, stream: str, *, needs_tls: bool
) -> list[str]:
    """Return `rtmp[s]://HOST:PORT/APP`, the one that works at once first.

    Args:
        addresses: Where the server listens, by listener.
        host: Host for listeners that listen on all addresses; IPv6 without brackets.
        stream: `APP/NAME`. The URL ends with the app: the publish key alone follows it.
        needs_tls: Whether only RTMPS may be used; else RTMP comes first, whose encoders need not
            trust a certificate.
    """
    app = stream.rpartition("/")[0] or stream
    found = []
    for listener, scheme in LISTENERS[1:] if needs_tls else LISTENERS:
        place = first_over_tcp(addresses, [(listener, scheme)])
        if place is not None:
            bound, _, port = place[1].rpartition(":")
            shown = (f"[{host}]" if ":" in host else host) if bound in ALL else bound
            found.append(f"{scheme}://{shown}:{port}/{app}")
    return found
