"""All streams by name: who may hold a name, and who is on air.

publish ─► Publication ─┬─► Stream ◄─ play
                        └─► Reserve, while another publication of the name is on air
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from headend.errors import Refusal, Rejected
from headend.hub.ports import NOBODY, Loss, Observer, StreamChange, StreamPublisher
from headend.hub.publication import PRIMARY, Place, Publication
from headend.hub.reserve import Reserve
from headend.hub.shares import gives_way
from headend.hub.standby import MOST_PUBLISHERS, FallbackSettings, Standbys
from headend.hub.stream import Stream, StreamSettings, StreamState
from headend.media.tag import Tag

Takeover = Literal["same-key", "always", "never"]


@dataclass(frozen=True, slots=True)
class NameSettings:
    """What holds for one name.

    Attributes:
        stream: Limits of its stream.
        takeover: When a second publisher may take it while it is in use.
        fallback: When its stream changes its source, if it has several.
    """

    stream: StreamSettings
    takeover: Takeover
    fallback: FallbackSettings


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """Policy of names.

    Attributes:
        streams: Most streams at once, and most names that are only waited for.
        of: Says what holds for the name `APP/NAME`.
    """

    streams: int
    of: Callable[[str], NameSettings]


class Registry:
    """All streams of a server.

    Attributes:
        settings: Policy of names; changed by `configure`.
    """

    def __init__(
        self,
        settings: RegistrySettings,
        on_sink_error: Callable[[str, Exception], None],
        observer: Observer = NOBODY,
        give_up: Callable[[Stream], None] = Stream.end,
    ) -> None:
        """Make it without streams.

        Args:
            settings: Policy of names.
            on_sink_error: Told of a sink that raised, with the path of its stream.
            observer: Told what becomes of streams.
            give_up: Ends a stream that is only waited for, and tells who waits.
        """
        self.settings = settings
        self._on_sink_error = on_sink_error
        self._observer = observer
        self._give_up = give_up
        self._streams: dict[str, Stream] = {}
        self._publications: dict[str, Publication] = {}
        self._standbys: dict[str, Standbys] = {}

    def configure(self, settings: RegistrySettings) -> None:
        """Change the policy, also for the streams that are there."""
        self.settings = settings
        for stream in self._streams.values():
            stream.configure(settings.of(stream.path).stream)

    def publish(
        self,
        path: str,
        publisher: StreamPublisher,
        holder: str | None,
        now: float,
        place: Place = PRIMARY,
    ) -> Publication:
        """Give the name to a publisher, or take it from the one who has it if policy says so.

        A publisher of another order than the one who has it stands by, see `Place`; a better one
        goes on air once its media are steady.

        Args:
            path: `APP/NAME`.
            publisher: Told when somebody takes the name over.
            holder: Names who publishes, such as `key:pk_1`; the same one may take over.
            now: Monotonic seconds.
            place: Among other publishers of the name.

        Raises:
            Rejected: The name is in use, or there are too many streams. A name that is only held
                for a publisher that is lost, and that nobody watches, gives way.
        """
        on_air = self._publications.get(path)
        standbys = self._standbys.get(path, ())
        rivals = [*([] if on_air is None else [on_air]), *standbys]
        rival = next((each for each in rivals if each.place.order == place.order), None)
        if on_air is not None and on_air.place.is_copy and not place.is_copy:
            rival = on_air  # the directory has given the name to the new one
        else:
            self._check_place(path, rival, holder, place)
        stream = self._stream_to_publish(path)
        publication = Publication(self, stream, publisher, holder, place)
        if rival is not None and rival is on_air:
            stream.interrupt(now, "replaced")
            self._publications[path] = publication
        elif on_air is None and not place.is_on_demand:
            self._publications[path] = publication
        else:
            if rival is not None:
                self._standbys[path].remove(rival)
            self._stand_by(publication)
        if rival is not None:
            rival.stand_by(None)
            rival.publisher.replaced()
        if publication.is_current:
            _begin(publication, now)
        return publication

    def move(self, path: str, now: float) -> bool:
        """Have a stream wait for a copy: it is published at another server from now on.

        Its viewers stay; publishers of it here are told that the name is taken over.

        Returns:
            False: there is no such stream that was published here.
        """
        stream = self._streams.get(path)
        if stream is None or not stream.has_begun or stream.is_copy:
            return False
        stream.interrupt(now, "replaced")
        stream.is_copy = True
        self._observer.stream_changed(stream, StreamChange.MOVED, "replaced")
        on_air = self._publications.pop(path, None)
        publications = [] if on_air is None else [on_air]
        for publication in [*publications, *self._standbys.pop(path, ())]:
            publication.stand_by(None)
            publication.publisher.replaced()
        return True

    def play(self, path: str, asker: Hashable = None) -> Stream:
        """Return the stream of a name; one that nobody publishes yet is waited for.

        Where too many names are waited for, another one gives way: the oldest of the asker that
        has most. The caller attaches its output at once, or the name is forgotten at the next
        `sweep`.

        Args:
            path: `APP/NAME`.
            asker: Whom the name counts for while it is waited for, such as an address.
        """
        stream = self._streams.get(path)
        if stream is None or stream.state is StreamState.ENDED:
            waiting = [s for s in self._streams.values() if s.state is StreamState.WAITING]
            if len(waiting) >= self.settings.streams:
                loser = gives_way([(each, each.asker) for each in waiting], asker)
                self._give_up(loser)
                if loser.path not in self._standbys:  # else the next sweep dismisses them
                    self._streams.pop(loser.path, None)
            stream = self._new_stream(path)
            stream.asker = asker
        return stream

    def stream(self, path: str) -> Stream | None:
        """Return the stream of a name that is known."""
        return self._streams.get(path)

    def streams(self) -> Iterator[Stream]:
        """Iterate over all streams, in the order they were first named."""
        return iter(self._streams.values())

    def publication(self, path: str) -> Publication | None:
        """Return who holds a name now."""
        return self._publications.get(path)

    def standbys(self, path: str) -> list[Publication]:
        """Return who stands by for a name, the best first."""
        return list(self._standbys.get(path, ()))

    def media_in_reserve(self, publication: Publication, now: float) -> None:
        """There is a new keyframe: one that stands by goes on air if it is better, and steady."""
        on_air = self._publications.get(publication.stream.path)
        reserve = publication.reserve
        assert reserve is not None
        if on_air is publication:
            _go_on(publication, now)
        elif on_air is None or (
            publication.place.order < on_air.place.order
            and reserve.is_steady(now, self._fallback(publication.stream).steady_s)
        ):
            self._switch(publication, now)

    def left(self, publication: Publication, now: float, reason: Loss) -> None:
        """The publisher of one is gone: the next one goes on air, or the stream ends or waits."""
        stream = publication.stream
        if not publication.is_current:
            self._forget(publication)
            return
        publication.stand_by(None)
        del self._publications[stream.path]
        standbys = self._standbys.get(stream.path)
        if standbys is not None:
            silence_s = self._fallback(stream).after_s
            following = standbys.best_publisher(now, silence_s)
            if reason == "lost":
                following = standbys.best(now, silence_s) or following
            if following is not None:
                stream.interrupt(now, reason)
                self._switch(following, now)
                return
        if reason == "ended":
            self._end(stream, reason)
        else:
            stream.interrupt(now)

    def sweep(self, now: float) -> None:
        """Let time pass for all streams and forget those nobody uses; call about twice a second."""
        for stream in list(self._streams.values()):
            stream.handle_timeout(now)
            if stream.path in self._standbys:
                self._sweep_standbys(stream, now)
            if stream.is_unused and stream.path not in self._publications:
                del self._streams[stream.path]

    def end_all(self) -> None:
        """End every stream: the server stops."""
        for stream in list(self._streams.values()):
            self._end(stream, "stopped")

    def end(self, path: str) -> bool:
        """End a stream for good, with all its publishers; false: there is none."""
        stream = self._streams.get(path)
        if stream is None or not stream.has_begun:
            return False
        self._end(stream, "ended")
        return True

    def _new_stream(self, path: str) -> Stream:
        settings = self.settings.of(path).stream
        stream = Stream(path, settings, self._on_sink_error, self._observer)
        self._streams[path] = stream
        return stream

    def _stream_to_publish(self, path: str) -> Stream:
        """Return the stream that a publisher is about to begin, or to stand by for.

        Raises:
            Rejected: There are too many streams.
        """
        stream = self._streams.get(path)
        if stream is None or not stream.has_begun:
            self._make_room()
        if stream is None or stream.state is StreamState.ENDED:
            stream = self._new_stream(path)
        return stream

    def _make_room(self) -> None:
        """See that one more stream can be live.

        Raises:
            Rejected: There are too many, and each is live or watched.
        """
        most = self.settings.streams
        begun = [stream for stream in self._streams.values() if stream.has_begun]
        if len(begun) < most:
            return
        held = [stream for stream in begun if self._is_only_held(stream)]
        if not held:
            text = f"the server holds {most} streams, its limit (limits.streams)"
            raise Rejected(Refusal.FULL, text)
        longest = min(held, key=lambda stream: stream.lost_at)
        self._end(longest, "lost")
        del self._streams[longest.path]

    def _is_only_held(self, stream: Stream) -> bool:
        """Say whether nobody watches a stream, and no publisher is there."""
        on_air = self._publications.get(stream.path)
        is_lost = on_air is None or (
            on_air.place.is_on_demand
            and not self._standbys.get(stream.path, Standbys()).has_publisher
        )
        return is_lost and not stream.is_watched

    def _check_place(
        self, path: str, rival: Publication | None, holder: str | None, place: Place
    ) -> None:
        """Raise Rejected unless a publisher may have its place, which a rival may hold."""
        if rival is not None and not self._may_take_over(rival, holder):
            raise Rejected(
                Refusal.NAME_TAKEN,
                f"{path} is already being published; stop the other encoder, or publish both "
                "with the same key to take over",
            )
        standbys = self._standbys.get(path)
        is_publisher = rival is None and not place.is_on_demand
        if is_publisher and standbys is not None and standbys.is_full:
            text = f"{MOST_PUBLISHERS} publishers stand by for {path}, which is the limit"
            raise Rejected(Refusal.FULL, text)

    def _may_take_over(self, rival: Publication, holder: str | None) -> bool:
        takeover = self.settings.of(rival.stream.path).takeover
        if takeover == "same-key":
            return holder is not None and rival.holder == holder
        return takeover == "always"

    # ------------------------------------------------------------------ several sources

    def _fallback(self, stream: Stream) -> FallbackSettings:
        return self.settings.of(stream.path).fallback

    def _stand_by(self, publication: Publication, headers: Sequence[Tag] = ()) -> None:
        settings = self.settings.of(publication.stream.path).stream
        # One that was on air and had no keyframe yet goes on waiting for it.
        reserve = publication.reserve or Reserve(settings.log_s, settings.log_bytes, headers)
        publication.stand_by(reserve)
        self._standbys.setdefault(publication.stream.path, Standbys()).add(publication)

    def _switch(self, publication: Publication, now: float) -> None:
        """Put one that stands by on air; the one before it stands by from now on."""
        stream = publication.stream
        on_air = self._publications.get(stream.path)
        self._standbys[stream.path].remove(publication)
        self._publications[stream.path] = publication
        if on_air is not None:
            stream.interrupt(now, "replaced")
            self._stand_by(on_air, stream.all_headers())
            _tell(on_air, is_on_air=False)
        _begin(publication, now)
        _go_on(publication, now)
        _tell(publication, is_on_air=True)

    def _sweep_standbys(self, stream: Stream, now: float) -> None:
        """Replace a silent source, and end a stream that has been without a publisher too long."""
        if stream.state is StreamState.ENDED:
            self._end(stream, "ended")
            return
        standbys = self._standbys[stream.path]
        fallback = self._fallback(stream)
        on_air = self._publications.get(stream.path)
        if on_air is None or stream.silent_s(now) >= fallback.after_s:
            following = standbys.best(now, fallback.after_s)
            if on_air is not None and on_air.place.is_on_demand:
                on_air.failed = now
            if following is not None:
                self._switch(following, now)
                on_air = following
        if on_air is None or not on_air.place.is_on_demand or standbys.has_publisher:
            standbys.held_since = None
        elif standbys.held_since is None:
            standbys.held_since = now
        elif now - standbys.held_since >= fallback.hold_s:
            self._end(stream, "lost")

    def _end(self, stream: Stream, reason: Loss) -> None:
        """End a stream, and dismiss the sources that stand by for it on demand."""
        on_air = self._publications.pop(stream.path, None)
        publications = [] if on_air is None else [on_air]
        publications += self._standbys.pop(stream.path, ())
        stream.end(reason)
        for publication in publications:
            publication.stand_by(None)
            if publication.place.is_on_demand:
                publication.publisher.replaced()

    def _forget(self, publication: Publication) -> None:
        publication.stand_by(None)
        standbys = self._standbys.get(publication.stream.path)
        if standbys is not None and standbys.remove(publication) and not standbys:
            del self._standbys[publication.stream.path]


def _begin(publication: Publication, now: float) -> None:
    """Put a publication on air."""
    stream = publication.stream
    stream.is_copy = publication.place.is_copy
    if not publication.place.is_on_demand:  # what stands in for a publisher is nobody
        stream.holder = publication.holder
    stream.begin(publication.publisher, now)


def _go_on(publication: Publication, now: float) -> None:
    """Let one that is on air begin at the keyframe that it has in reserve, once it has one."""
    reserve = publication.reserve
    assert reserve is not None
    if reserve.has_keyframe:
        publication.reserve = None
        publication.stream.publish(reserve.tags(), now)


def _tell(publication: Publication, *, is_on_air: bool) -> None:
    if publication.place.on_air is not None:
        publication.place.on_air(is_on_air)
