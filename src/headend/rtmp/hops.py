"""The route of a relayed stream, so that a relay that comes back is noticed.

Every server has an id. A relay says in its connect command through which servers the stream came,
its own last. It does so in `flashVer`, behind what the peer calls itself, because some platforms
close on a property that they do not expect:

    FMLE/3.0 (compatible; Headend; via 0f3a9c1b22d4e587.a1b2c3d4e5f60718)
"""

import re
from collections.abc import Sequence
from typing import Final

ID_BYTES: Final = 8
MOST_HOPS: Final = 8  # servers in a row; more are a ring through servers that forget

_VIA: Final = re.compile(r"; via ([0-9a-f]{16}(?:\.[0-9a-f]{16}){0,7})\)$")


def write_hops(version: str, hops: Sequence[str]) -> str:
    """Add a route to a `flashVer`.

    Args:
        version: What we call ourselves, with or without a comment in brackets at the end.
        hops: Ids of servers, the first one first; the newest MOST_HOPS are kept.
    """
    if not hops:
        return version
    route = ".".join(hops[-MOST_HOPS:])
    if version.endswith(")"):
        return f"{version[:-1]}; via {route})"
    return f"{version} (Headend; via {route})"


def read_hops(version: str) -> tuple[str, ...]:
    """Return the route in a peer's `flashVer`; empty where there is none."""
    match = _VIA.search(version)
    return tuple(match[1].split(".")) if match else ()
