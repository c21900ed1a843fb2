"""This module tells those who wait for a stream how long, and when it will not come."""

from typing import Final

from headend.hub.stream import StreamState
from headend.server.services import Services

FETCH_S: Final = 10.0  # a stream that is fetched is worth so long a wait, whatever `live.wait_s`


def longest_wait_s(services: Services, path: str, via: tuple[str, ...] = ()) -> float:
    """Have a stream fetched that somebody wants; return how long to wait for it, seconds.

    Args:
        services: What all connections share.
        path: `APP/NAME`.
        via: Servers that fetch it through us, when the viewer is a relay.

    Raises:
        Rejected: No source knows it, or too many are fetched.
    """
    wait_s = services.settings.live.wait_s
    relays = services.relays
    if relays is not None and relays.want(path, via):
        return max(wait_s, FETCH_S)
    return wait_s


def give_up(services: Services, path: str) -> None:
    """Have everybody who waits for a name know that nobody publishes it."""
    stream = services.registry.stream(path)
    if stream is None or stream.state is not StreamState.WAITING:
        return
    for connection in list(services.connections):
        connection.give_up_waiting(path)
    stream.end()  # requests over HTTP learn it so
