"""Waiting for a stream that nobody publishes yet: how long, how many names, and the end of it."""

from typing import Final

from headend.decisions import Address
from headend.hub.stream import Stream, StreamState
from headend.live.arrivals import not_found
from headend.live.relay_port import Fetching
from headend.live.services import Services
from headend.live.watching import Watching
from headend.net.groups import group_of
from headend.outputs.fanout import Fanout
from headend.outputs.first_media import Kinds

FETCH_S: Final = 10.0  # a stream that is fetched is worth so long a wait, whatever `live.wait_s`


def find_stream(services: Services, path: str, address: Address | None) -> tuple[Stream, float]:
    """Return a stream that somebody wants, and how long to wait for it if it has not begun.

    Names that are waited for are bounded by address, see `Registry.play`.

    Args:
        services: What all connections share.
        path: `APP/NAME`.
        address: Address of the viewer.

    Returns:
        The stream, and how long to wait for it, seconds.

    Raises:
        Rejected: Nobody publishes it, no source knows it, or too many are fetched.
    """
    registry = services.registry
    wait_s = longest_wait_s(services, path, address)
    known = registry.stream(path)
    if not wait_s and (known is None or not known.has_begun):
        raise not_found(path)
    return registry.play(path, group_of(address)), wait_s


async def wait_for_media(
    services: Services, path: str, address: Address | None
) -> tuple[Stream, Kinds]:
    """Return a stream once it has media, and the kinds of media; see `find_stream`.

    Raises:
        Rejected: Nobody publishes it within `live.wait_s`.
        LimitExceeded: Too many requests wait.
    """
    stream, wait_s = find_stream(services, path, address)
    return stream, await services.arrivals.wait(stream, wait_s)


def longest_wait_s(services: Services, path: str, address: Address | None) -> float:
    """Have a stream fetched if it may be; return how long a viewer waits for it, seconds.

    Raises:
        Rejected: No source knows it, or too many are fetched.
    """
    wait_s = services.rules.of(path).live.wait_s
    is_fetched = any(each.want(path, address) for each in services.features.all(Fetching))
    return max(wait_s, FETCH_S) if is_fetched else wait_s


def give_up(stream: Stream) -> None:
    """Tell all viewers that wait for a stream that nobody publishes it."""
    if stream.state is not StreamState.WAITING:
        return
    for sink in list(stream.sinks()):
        if isinstance(sink, Fanout):
            for viewer in sink.viewers():
                if isinstance(viewer.audience, Watching):
                    viewer.audience.give_up()
    stream.end()  # requests over HTTP learn it so
