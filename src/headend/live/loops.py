"""Loops of relays: a stream must not come back to a server that it has passed.

A relay out says through which servers its stream came, a relay in who it is, see
`headend.rtmp.hops`. A peer that publishes what this server has relayed itself is refused, and so is
one that fetches what it has brought, or is asked for. What a peer claims is held against that peer
only: it decides about its own requests and is told to no other server on behalf of others.
"""

from collections.abc import Collection, Sequence
from typing import Final, Protocol, runtime_checkable

from headend.errors import Refusal, Rejected
from headend.live.relay_port import Fetching
from headend.live.services import Services
from headend.rtmp.hops import MOST_HOPS

# How the reason of a refusal begins: the relay at the other end knows it by that.
LOOP: Final = "relay loop"


@runtime_checkable
class Routed(Protocol):
    """A publisher that knows which servers its stream came through."""

    @property
    def hops(self) -> tuple[str, ...]:
        """Ids of these servers, the origin first."""


def route_of(services: Services, path: str) -> tuple[str, ...]:
    """Return the ids of the servers that a stream came through."""
    publication = services.registry.publication(path)
    publisher = None if publication is None else publication.publisher
    return publisher.hops if isinstance(publisher, Routed) else ()


def check_publish(services: Services, path: str, hops: Sequence[str]) -> None:
    """Refuse a stream that has passed this server already.

    Raises:
        Rejected: The stream has passed this server, or it came through too many servers.
    """
    if services.server_id in hops:
        raise Rejected(Refusal.LOOP, f"{LOOP}: {path} comes from this server in the first place")
    if len(hops) >= MOST_HOPS:
        raise Rejected(Refusal.LOOP, f"{LOOP}: {path} came through {len(hops)} servers")


def check_play(services: Services, path: str, hops: Sequence[str]) -> None:
    """Refuse a stream to a server that it came from, or that this server is asking for it.

    Raises:
        Rejected: The stream would go round in a ring, or too many servers fetch it from each other.
    """
    if services.server_id in hops or (hops and hops[-1] in _sources_of(services, path)):
        raise Rejected(Refusal.LOOP, f"{LOOP}: {path} is fetched from where it comes from")
    if len(hops) >= MOST_HOPS:
        raise Rejected(Refusal.LOOP, f"{LOOP}: {len(hops)} servers fetch {path}")


def _sources_of(services: Services, path: str) -> Collection[str]:
    """Return the servers that a stream came from, or is asked for while nobody publishes it."""
    if services.registry.publication(path) is not None:
        return route_of(services, path)
    fetching = services.features.all(Fetching)
    return [server for each in fetching for server in each.fetched_from(path)]
