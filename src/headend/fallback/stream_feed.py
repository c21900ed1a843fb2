"""The feed that passes on another live stream of this server."""

from collections.abc import Sequence
from typing import Final

from headend.fallback.stand_in import Push
from headend.hub.registry import Registry
from headend.hub.stream import Stream, no_audience
from headend.media.tag import Tag

KEY: Final = "fallback"  # of our sink in the other stream, with the path of the stream that is fed


class StreamFeed:
    """The feed that passes on another live stream."""

    def __init__(self, registry: Registry, path: str, other: str) -> None:
        """Prepare.

        Args:
            registry: Finds the other stream.
            path: Path of the stream that is fed.
            other: Path of the stream that is passed on.
        """
        self._registry = registry
        self._key = (KEY, path)
        self._other = other
        self._stream: Stream | None = None
        self._tap: _Tap | None = None

    def start(self, push: Push) -> None:
        """Begin at the other stream's newest keyframe; it may not be there at all."""
        self.stop()
        stream = self._registry.stream(self._other)
        on_air = self._registry.publication(self._other)
        # One that is fed itself is no better than nothing, and may be fed by us.
        if stream is None or on_air is None or on_air.place.is_on_demand:
            return
        self._stream, self._tap = stream, _Tap(push)
        stream.attach(self._key, self._tap, audience=no_audience)

    def stop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None and stream.sink(self._key) is self._tap:
            stream.detach(self._key)


class _Tap:
    """An output of the other stream."""

    def __init__(self, push: Push) -> None:
        self._push = push
        self._is_pushing = False

    def start(self, headers: Sequence[Tag]) -> None:
        for tag in headers:
            self.push(tag)

    def push(self, tag: Tag) -> None:
        if not self._is_pushing:  # else it came to us in a ring
            self._is_pushing = True
            try:
                self._push(tag)
            finally:
                self._is_pushing = False

    def interrupt(self) -> None:
        """Do nothing: the hub notices the silence of this stream by itself."""

    def resume(self) -> None:
        """Do nothing: the hub notices the silence of this stream by itself."""

    def end(self) -> None:
        """Do nothing: the hub notices the silence of this stream by itself."""
