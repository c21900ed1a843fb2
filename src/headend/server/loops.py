"""This module keeps relayed streams from coming back to where they have been.

A relay says through which servers a stream came, see `headend.rtmp.hops`. Who publishes what this
server has relayed itself is refused, and so is who fetches what it has brought.
"""

from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

from headend.errors import Rejected
from headend.rtmp.hops import MOST_HOPS
from headend.server.services import Services

# How the reason of a refusal begins: the relay at the other end knows it by that.
LOOP: Final = "relay loop"


@runtime_checkable
class Routed(Protocol):
    """A publisher that tells through which servers its stream came."""

    @property
    def hops(self) -> tuple[str, ...]:
        """Their ids, the first one first."""


def route_of(services: Services, path: str) -> tuple[str, ...]:
    """Return through which servers a stream came to us."""
    publication = services.registry.publication(path)
    publisher = None if publication is None else publication.publisher
    return publisher.hops if isinstance(publisher, Routed) else ()


def check_publish(services: Services, path: str, hops: Sequence[str]) -> None:
    """Refuse a stream that has been here.

    Raises:
        Rejected: It has, or it came through too many servers.
    """
    if services.server_id in hops:
        raise Rejected(
            "NetStream.Publish.Denied", f"{LOOP}: {path} comes from this server in the first place"
        )
    if len(hops) >= MOST_HOPS:
        raise Rejected(
            "NetStream.Publish.Denied", f"{LOOP}: {path} came through {len(hops)} servers"
        )


def check_play(services: Services, path: str, hops: Sequence[str]) -> None:
    """Refuse a stream to a server that it came from.

    Raises:
        Rejected: It did, or too many servers fetch it from each other.
    """
    route = route_of(services, path)
    if services.server_id in hops or (hops and hops[-1] in route):
        raise Rejected(
            "NetStream.Play.Failed", f"{LOOP}: {path} is fetched from where it comes from"
        )
    if len(hops) >= MOST_HOPS:
        raise Rejected("NetStream.Play.Failed", f"{LOOP}: {len(hops)} servers fetch {path}")
