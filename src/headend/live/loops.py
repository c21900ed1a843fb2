"""Loops of relays: a stream does not come back to where it has been.

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
        raise Rejected(Refusal.LOOP, f"{LOOP}: {path} comes from this server in the first place")
    if len(hops) >= MOST_HOPS:
        raise Rejected(Refusal.LOOP, f"{LOOP}: {path} came through {len(hops)} servers")


def check_play(services: Services, path: str, hops: Sequence[str]) -> None:
    """Refuse a stream to a server that it came from, or that is being asked for it.

    Raises:
        Rejected: It did, or is; or too many servers fetch it from each other.
    """
    if services.server_id in hops or (hops and hops[-1] in _sources_of(services, path)):
        raise Rejected(Refusal.LOOP, f"{LOOP}: {path} is fetched from where it comes from")
    if len(hops) >= MOST_HOPS:
        raise Rejected(Refusal.LOOP, f"{LOOP}: {len(hops)} servers fetch {path}")


def _sources_of(services: Services, path: str) -> Collection[str]:
    """Return the servers that a stream came from, or is asked for while nobody publishes it."""
    if services.registry.publication(path) is not None:
        return route_of(services, path)
    relays = services.features.find(Fetching)
    return () if relays is None else relays.fetched_from(path)
