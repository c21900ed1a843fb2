"""This module knows all streams by name, and decides who may hold a name.

publish ─► Publication ─► Stream ◄─ play
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from headend.errors import Rejected
from headend.hub.ports import NOBODY, Observer, Publisher
from headend.hub.stream import Stream, StreamSettings, StreamState
from headend.media.tag import Tag

PUBLISH_REFUSED: Final = "NetStream.Publish.BadName"
PLAY_FAILED: Final = "NetStream.Play.Failed"

Takeover = Literal["same-key", "always", "never"]


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """Policy of names.

    Attributes:
        stream: Limits of each stream.
        takeover: When a second publisher may take a name that is in use.
        streams: Most streams at once, and most names that are only waited for.
    """

    stream: StreamSettings
    takeover: Takeover = "same-key"
    streams: int = 1000


class Publication:
    """The right to publish one stream, until it ends, is lost or is taken over."""

    __slots__ = ("_registry", "key", "publisher", "stream")

    def __init__(
        self, registry: "Registry", stream: Stream, publisher: Publisher, key: str | None
    ) -> None:
        self._registry = registry
        self.stream: Final = stream
        self.publisher: Final = publisher
        self.key: Final = key

    @property
    def is_current(self) -> bool:
        return self._registry.publication(self.stream.path) is self

    def push(self, tags: Sequence[Tag], now: float) -> None:
        """Publish a run of tags; ignored once the name is taken over."""
        if self.is_current:
            self.stream.publish(tags, now)

    def end(self) -> None:
        """End the stream: the publisher said so."""
        if self.is_current:
            self._registry.release(self)
            self.stream.end()

    def lose(self, now: float) -> None:
        """The publisher's connection is gone without a word: viewers wait for its return."""
        if self.is_current:
            self._registry.release(self)
            self.stream.interrupt(now)


class Registry:
    """All streams of a server.

    Attributes:
        settings: Replaced on reload; a stream keeps those it began with.
    """

    def __init__(
        self,
        settings: RegistrySettings,
        on_sink_error: Callable[[str, Exception], None],
        observer: Observer = NOBODY,
    ) -> None:
        self.settings = settings
        self._on_sink_error = on_sink_error
        self._observer = observer
        self._streams: dict[str, Stream] = {}
        self._publications: dict[str, Publication] = {}

    def publish(self, path: str, publisher: Publisher, key: str | None, now: float) -> Publication:
        """Give the name to a publisher, or take it from the one who has it if policy says so.

        Args:
            path: `APP/NAME`.
            publisher: Told when somebody takes the name over.
            key: Publish key it showed, if any; the same key may take over.
            now: Monotonic seconds.

        Raises:
            Rejected: The name is in use, or there are too many streams.
        """
        holder = self._publications.get(path)
        if holder is not None:
            if not self._may_take_over(holder, key):
                raise Rejected(
                    "NetStream.Publish.BadName",
                    f"{path} is already being published; stop the other encoder, or publish both "
                    "with the same key to take over",
                )
            holder.stream.interrupt(now, "replaced")
        publication = Publication(self, self._stream(path, PUBLISH_REFUSED), publisher, key)
        self._publications[path] = publication
        if holder is not None:
            holder.publisher.replaced()
        publication.stream.begin(publisher, now)
        return publication

    def play(self, path: str) -> Stream:
        """Return the stream of a name; one that nobody publishes yet is waited for.

        The caller attaches its output at once, or the name is forgotten at the next `sweep`.

        Raises:
            Rejected: There are too many streams.
        """
        return self._stream(path, PLAY_FAILED)

    def stream(self, path: str) -> Stream | None:
        """Return the stream of a name that is known."""
        return self._streams.get(path)

    def streams(self) -> Iterator[Stream]:
        """Iterate over all streams, in the order they were first named."""
        return iter(self._streams.values())

    def publication(self, path: str) -> Publication | None:
        """Return who holds a name now."""
        return self._publications.get(path)

    def release(self, publication: Publication) -> None:
        """Free the name a publication holds."""
        del self._publications[publication.stream.path]

    def sweep(self, now: float) -> None:
        """Let time pass for all streams and forget those nobody uses; call about twice a second."""
        for stream in list(self._streams.values()):
            stream.handle_timeout(now)
            if stream.is_unused and stream.path not in self._publications:
                del self._streams[stream.path]

    def end_all(self) -> None:
        """End every stream: the server stops."""
        self._publications.clear()
        for stream in list(self._streams.values()):
            stream.end("stopped")

    def _stream(self, path: str, code: str) -> Stream:
        stream = self._streams.get(path)
        if stream is None or stream.state is StreamState.ENDED:
            # Names that are only waited for are counted apart: players who ask for any number of
            # them must not keep a publisher out.
            is_waited_for = code == PLAY_FAILED
            held = sum(
                (other.state is StreamState.WAITING) == is_waited_for
                for other in self._streams.values()
            )
            most = self.settings.streams
            if held >= most:
                text = f"the server holds {most} streams, its limit (limits.streams)"
                raise Rejected(code, text)
            stream = Stream(path, self.settings.stream, self._on_sink_error, self._observer)
            self._streams[path] = stream
        return stream

    def _may_take_over(self, holder: Publication, key: str | None) -> bool:
        takeover = self.settings.takeover
        if takeover == "same-key":
            return key is not None and holder.key == key
        return takeover == "always"
