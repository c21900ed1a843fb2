"""The streams that the public page shows: on air, and open to everybody who asks.

The list is made once for all visitors who come meanwhile; who may watch what is decided for each.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Annotated, Final

from pydantic import Field

from headend.decisions import AccessRequest
from headend.errors import Rejected
from headend.live import status
from headend.live.services import Services

FRESH_S: Final = 2.0
SHOWN: Final = 200  # streams on a page, those with most viewers


@dataclass(frozen=True, slots=True)
class ListedStream:
    """A stream as the public page shows it."""

    path: str
    title: str
    description: str
    state: Annotated[str, Field(description="live or interrupted.")]
    viewers: int
    uptime_s: float
    has_picture: bool


class Listing:
    """What is on air, at most FRESH_S old."""

    def __init__(self, services: Services) -> None:
        self._services: Final = services
        self._made = -FRESH_S
        self._viewers: Mapping[str, int] = {}
        self._streams: tuple[ListedStream, ...] = ()

    def viewers(self, path: str) -> int:
        """Return how many watch a stream."""
        self._refresh()
        return self._viewers.get(path, 0)

    def open_to(self, visitor: AccessRequest) -> tuple[list[ListedStream], bool]:
        """Return the streams that are open to all, and so to this visitor, and if there are more.

        Args:
            visitor: Who asks, and from where, without a token; its path does not count.
        """
        self._refresh()
        found = list(islice(self._watchable(visitor), SHOWN + 1))
        return found[:SHOWN], len(found) > SHOWN

    def _watchable(self, visitor: AccessRequest) -> Iterator[ListedStream]:
        gate = self._services.gate
        if gate.asks("play"):
            return  # only what decides can say, and it may take note of being asked
        for stream in self._streams:
            try:
                gate.refuse_now(replace(visitor, path=stream.path))
            except Rejected:
                continue
            yield stream

    def _refresh(self) -> None:
        services = self._services
        now = services.loop.time()
        if now - self._made < FRESH_S:
            return
        self._made = now
        counts = status.viewers(services)
        self._viewers = {path: sum(each.values()) for path, each in counts.items()}
        self._streams = tuple(
            sorted(self._listed(now), key=lambda stream: (-stream.viewers, stream.path))
        )

    def _listed(self, now: float) -> Iterator[ListedStream]:
        services = self._services
        for stream in services.registry.streams():
            if not stream.has_begun or services.gate.policy.is_private(stream.path):
                continue
            live = services.rules.of(stream.path).live
            if not live.listed or stream.began is None:
                continue
            about = services.titles.of(stream, live)
            yield ListedStream(
                stream.path,
                about.title,
                about.description,
                stream.state.name.lower(),
                self._viewers.get(stream.path, 0),
                round(now - stream.began, 1),
                stream.frames > 0,
            )
