"""One live stream: its timeline, its headers, its log, and the sinks it feeds.

    publish(tags) ─► timeline ─► headers ─► log ─► every sink

The log holds the tags from the newest keyframe on, so a sink that is attached has a picture at
once.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Final

from headend.hub.headers import Headers
from headend.hub.ports import NOBODY, Loss, Observer, Sink, StreamChange, StreamPublisher
from headend.hub.settling import Settling
from headend.hub.span import Span
from headend.hub.stream_state import StreamSettings, StreamState
from headend.hub.timeline import Timeline
from headend.media.codecs import for_players, is_keyframe_of, track_ids
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag, TagKind

__all__ = ["Stream", "StreamSettings", "StreamState"]

# Silence of a publisher after which viewers are told; INTERFACE promises 5 s, checks come twice a
# second.
SILENCE_S: Final = 4.0
SEARCHED: Final = 100  # tags at the end of the log, for a frame: two seconds of most streams

_new_tag = tuple.__new__


def no_audience() -> int:
    """Return how many watch through a sink that is there for nobody, see `Stream.attach`."""
    return 0


class Stream:
    """A stream by its public name.

    Attributes:
        path: `APP/NAME`.
        state: Changed by `begin`, `interrupt` and `end`.
        bytes_in: Bytes of tag bodies published.
        tags_in: Tags published.
        began: When the first publisher came, monotonic seconds.
        frames: Video tags published, sequence headers not counted.
        sounds: Audio tags published.
        settling: Which tracks are announced; the headers of others are held back.
        keyframe_interval: From one keyframe to the next, the newest, ms; None: not known.
        asker: Owner of the name while it is only waited for, see `Registry.play`.
        lost_at: When the last publisher was lost, monotonic seconds.
        holder: Who published last, as it was given to `Registry.publish`.
        is_copy: It is published at another server, and brought from there.
    """

    def __init__(
        self,
        path: str,
        settings: StreamSettings,
        on_sink_error: Callable[[str, Exception], None],
        observer: Observer = NOBODY,
    ) -> None:
        self.path: Final = path
        self.state = StreamState.WAITING
        self.bytes_in = self.tags_in = 0
        self.began: float | None = None
        self.frames = self.sounds = 0
        self.keyframe_interval: int | None = None
        self.asker: Hashable = None
        self.lost_at = 0.0
        self.holder: str | None = None
        self.is_copy = False
        self._keyframe_time: int | None = None
        self._is_in_keyframe = False  # no other picture came since
        self._picture_time: int | None = None  # of the newest picture, which may be many messages
        self.timeline = Timeline()
        self._settings = settings
        self._on_sink_error = on_sink_error
        self._observer = observer
        self._publisher: StreamPublisher | None = None
        self._sinks: dict[Hashable, Sink] = {}
        self._patient: frozenset[Hashable] = frozenset()  # keys of sinks that can wait
        self._audiences: dict[Hashable, Callable[[], int]] = {}  # of sinks that may have nobody
        self._headers = Headers()
        self._start_headers: tuple[Tag, ...] = ()  # as of the first tag of the log
        self._log: list[Tag] = []
        self._span = Span(settings.log_s, settings.log_bytes)
        self._has_video = False
        self._sounds_before_picture = 0  # the newest one
        self._last_media = 0.0
        self._is_silent = False
        self._is_active = False  # the observer knows that media came
        self._was_watched = False  # when time was last let pass
        self._sounds_before = 0  # of earlier publishers
        self.settling: Final = Settling()
        self._silent: Final = self.settling.silent
        self._frames: dict[TagKind, Tag] = {}  # what `frame` found last

    @property
    def publisher(self) -> StreamPublisher | None:
        """Who publishes now."""
        return self._publisher

    def silent_s(self, now: float) -> float:
        """Return for how long no media came, seconds."""
        return now - self._last_media

    # ------------------------------------------------------------------ publishing

    def begin(self, publisher: StreamPublisher, now: float) -> None:
        """Start with a publisher, the first or the next; timestamps go on without a jump back."""
        self._publisher = publisher
        is_first = self.began is None
        if self.began is None:
            self.began = now
        self.state = StreamState.LIVE
        self.timeline.restart()
        self._headers.clear()
        self._frames.clear()
        self._restart_log()
        self._has_video = False
        self.keyframe_interval = self._keyframe_time = self._picture_time = None
        self._last_media = now
        self._is_silent = False
        self._is_active = False
        self._sounds_before = self.sounds
        self.settling.restart()
        self._tell(lambda sink: sink.start(()))
        self._tell(lambda sink: sink.resume())
        publisher.watched(is_watched=self._is_waited_for)
        if is_first:
            self._observe(StreamChange.CREATED)
        self._observe(StreamChange.CONNECTED)

    def publish(self, tags: Sequence[Tag], now: float) -> None:
        """Take a run of tags from the publisher and hand them to every sink."""
        self._last_media = now
        if self._is_silent:
            self._is_silent = False
            self._tell(lambda sink: sink.resume())
        timeline = self.timeline
        timeline.now = now
        map_time = timeline.map
        lead, has_several = self._headers.lead, self._headers.has_several
        self.tags_in += len(tags)
        for tag in tags:
            kind, timestamp, body, is_keyframe, is_sequence_header = tag
            if not body:
                continue
            size = len(body)
            self.bytes_in += size
            is_beside = False
            if is_sequence_header:
                mapped = timeline.header_time(kind, timestamp)
                tag = tag._replace(timestamp=mapped, body=for_players(tag))
            elif has_several and self._headers.is_beside(tag):
                is_beside = True
                mapped = timeline.map_beside(kind, track_ids(tag)[0], timestamp)
            else:
                mapped = map_time(kind, timestamp)
            if self._silent and kind in self._silent and not is_sequence_header:
                self._announce(kind)
            if mapped != timestamp and not is_sequence_header:
                tag = _new_tag(Tag, (kind, mapped, body, is_keyframe, False))
            if is_sequence_header or kind is SCRIPT:
                if not self._headers.keep(tag):
                    continue
                lead, has_several = self._headers.lead, self._headers.has_several
                if kind in self._silent:
                    continue
                self._has_video |= kind is VIDEO
            elif kind is VIDEO:
                if lead and is_keyframe_of(body, lead):
                    is_keyframe = True
                    tag = _new_tag(Tag, (kind, mapped, body, True, False))
                if mapped != self._picture_time and not is_beside:
                    self._has_video = True
                    self._picture_time = mapped
                    self._sounds_before_picture = self.sounds
                    self.frames += 1
                if not is_keyframe:
                    self._is_in_keyframe = False
                elif self._is_in_keyframe and mapped == self._keyframe_time:
                    # More of the same picture: decoding cannot start here.
                    tag = _new_tag(Tag, (kind, mapped, body, False, False))
                else:
                    self._is_in_keyframe = True
                    self._measure(mapped)
                    self._restart_log()
            elif not is_beside:
                self.sounds += 1
                if not self._has_video:
                    # Decoding can start anywhere in a stream without video.
                    tag = _new_tag(Tag, (kind, mapped, body, True, False))
                    self._restart_log()
            self._log.append(tag)
            if self._span.passes(mapped, size):
                self._overflow()
            for sink in self._sinks.values():
                try:
                    sink.push(tag)
                except Exception as error:
                    self._fail(sink, error)

    def interrupt(self, now: float, reason: Loss = "lost") -> None:
        """The publisher is lost: viewers stay for the reconnect window."""
        if self.state is StreamState.LIVE:
            self._disconnect(reason)
            self.state = StreamState.INTERRUPTED
            self.lost_at = now
            self._fall_silent()

    def end(self, reason: Loss = "ended") -> None:
        """End for good; every sink is told and detached."""
        if self.state is not StreamState.ENDED:
            if self.state is StreamState.LIVE:
                self._disconnect(reason)
            has_begun = self.has_begun
            self.state = StreamState.ENDED
            sinks, self._sinks = self._sinks, {}
            self._patient = frozenset()
            self._audiences.clear()
            for sink in sinks.values():
                try:
                    sink.end()
                except Exception as error:
                    self._on_sink_error(self.path, error)
            if has_begun:
                self._observe(StreamChange.ENDED, reason)

    def handle_timeout(self, now: float) -> None:
        """Act on what time alone changes: silence, and the end of the reconnect window.

        It is here too that the observer is told of media and of the last viewer's leaving, so that
        neither a tag nor a viewer who comes costs anything.
        """
        is_watched = bool(self._sinks)
        if self.state is StreamState.LIVE:
            self.timeline.review()
            self._settle(now)
            self._note_media()
            if self._was_watched and not is_watched:
                self._observe(StreamChange.IDLE)
            if not self._is_silent and now - self._last_media >= SILENCE_S:
                self._fall_silent()
        elif (
            self.state is StreamState.INTERRUPTED
            and now - self.lost_at >= self._settings.reconnect_window_s
        ):
            self.end("lost")
        self._was_watched = is_watched

    # ------------------------------------------------------------------ watching

    def configure(self, settings: StreamSettings) -> None:
        """Change its limits, those of the log from the next keyframe on."""
        self._settings = settings
        self._span.configure(settings.log_s, settings.log_bytes)

    def attach(
        self,
        key: Hashable,
        sink: Sink,
        *,
        is_patient: bool = False,
        audience: Callable[[], int] | None = None,
    ) -> None:
        """Add an output under a key that no other has; it starts at the newest keyframe.

        Args:
            key: See `sink`.
            sink: The output.
            is_patient: Tags may reach it a tenth of a second late, for its sake alone, so that the
                publisher is read in larger pieces.
            audience: Tells how many watch through it; None: it is there for somebody.
        """
        assert key not in self._sinks
        if not is_patient and not self._is_waited_for and self._publisher is not None:
            self._publisher.watched(is_watched=True)
        if self.state is StreamState.ENDED:  # its publisher's end was just read, perhaps
            sink.start(self.headers())
            sink.end()
            return
        self._sinks = {**self._sinks, key: sink}  # a new dict: `publish` may be iterating
        if is_patient:
            self._patient |= {key}
        if audience is not None:
            self._audiences[key] = audience
        try:
            sink.start(self._start_headers if self._log else self.headers())
            for tag in self._log:
                sink.push(tag)
        except Exception as error:
            self._fail(sink, error)

    def detach(self, key: Hashable) -> None:
        """Remove an output; nothing is called on it any more."""
        was_waited_for = self._is_waited_for
        self._sinks = {k: sink for k, sink in self._sinks.items() if k != key}
        self._patient -= {key}
        self._audiences.pop(key, None)
        if was_waited_for and not self._is_waited_for and self._publisher is not None:
            self._publisher.watched(is_watched=False)

    def sink(self, key: Hashable) -> Sink | None:
        """Return the output attached under a key."""
        return self._sinks.get(key)

    def sinks(self) -> Iterator[Sink]:
        """Iterate over the outputs."""
        return iter(self._sinks.values())

    def headers(self) -> tuple[Tag, ...]:
        """Return metadata, then the headers of the tracks that send something, as of now."""
        return self.settling.announced(self._headers.tags())

    def all_headers(self) -> tuple[Tag, ...]:
        """Return metadata and all headers, those of tracks that send nothing too."""
        return self._headers.tags()

    def sends(self, kind: TagKind) -> bool:
        """Say whether the publisher has sent a frame of a kind."""
        if kind is VIDEO:
            return self._picture_time is not None
        return self.sounds > self._sounds_before

    def keyframe(self) -> tuple[tuple[Tag, ...], Tag] | None:
        """Return the newest video keyframe, with the sequence headers it is decoded with.

        None: there is none in the log.
        """
        if self._log and self._log[0].kind is VIDEO and self._log[0].is_keyframe:
            return self._start_headers, self._log[0]
        return None

    def frame(self, kind: TagKind) -> Tag | None:
        """Return a frame of a kind, a new one if there is any in the log.

        It says what a track is whose codec has no sequence header.
        """
        for tag in islice(reversed(self._log), SEARCHED):
            if tag.kind is kind and not tag.is_sequence_header:
                self._frames[kind] = tag
                break
        return self._frames.get(kind)

    @property
    def is_live(self) -> bool:
        return self.state is StreamState.LIVE

    @property
    def has_begun(self) -> bool:
        """Somebody publishes, or did so within the reconnect window."""
        return self.state in (StreamState.LIVE, StreamState.INTERRUPTED)

    @property
    def is_watched(self) -> bool:
        """Somebody watches, or waits to: a relay and a packager that nobody asks are nobody."""
        return any(key not in self._audiences or self._audiences[key]() for key in self._sinks)

    @property
    def is_unused(self) -> bool:
        """Nobody publishes and nobody watches."""
        return self.state is StreamState.ENDED or (
            self.state is StreamState.WAITING and not self._sinks
        )

    # ------------------------------------------------------------------ inside

    @property
    def _is_waited_for(self) -> bool:
        """Somebody watches who is not patient."""
        return len(self._sinks) > len(self._patient)

    def _observe(self, change: StreamChange, reason: Loss = "ended") -> None:
        self._observer.stream_changed(self, change, reason)

    def _note_media(self) -> None:
        """Tell the observer, once for each publisher, that there is something to watch."""
        has_picture = self._keyframe_time is not None
        has_sound = not self._has_video and self.sounds > self._sounds_before
        if not self._is_active and (has_picture or has_sound):
            self._is_active = True
            self._observe(StreamChange.ACTIVE)

    def _disconnect(self, reason: Loss) -> None:
        """The publisher is gone, whose media the observer may not know of yet."""
        self._note_media()
        self._publisher = None
        self._observe(StreamChange.DISCONNECTED, reason)

    def _settle(self, now: float) -> None:
        """Once media have come for a while, go on without the tracks that have sent nothing."""
        has_video, has_audio = self.sends(VIDEO), self.sends(AUDIO)
        if self.settling.passed(now, has_video=has_video, has_audio=has_audio):
            self._has_video = has_video
            self._log[:] = self.settling.announced(self._log)
            self._start_headers = self.settling.announced(self._start_headers)

    def _announce(self, kind: TagKind) -> None:
        """Give out the headers of a track that was silent, and is about to send something."""
        self._silent.discard(kind)
        for header in self._headers.tags():
            if header.kind is kind:
                time = self.timeline.header_time(kind, header.timestamp)
                self._give(header._replace(timestamp=time))

    def _give(self, tag: Tag) -> None:
        """Append a tag to the log and give it to every sink."""
        self._log.append(tag)
        self._tell(lambda sink: sink.push(tag))

    def _measure(self, keyframe: int) -> None:
        """Take note of a video keyframe's time."""
        if self._keyframe_time is not None:
            self.keyframe_interval = (keyframe - self._keyframe_time) & 0xFFFF_FFFF
        self._keyframe_time = keyframe

    def _restart_log(self) -> None:
        self._log.clear()
        self._span.restart()
        self._start_headers = self.headers()

    def _overflow(self) -> None:
        """Empty a log that passed its limits: a new viewer starts at the next keyframe."""
        self._log.clear()
        if self.sounds - self._sounds_before_picture > 100:
            self._has_video = False  # the video has stopped and the audio goes on

    def _fall_silent(self) -> None:
        if not self._is_silent:
            self._is_silent = True
            self._tell(lambda sink: sink.interrupt())

    def _tell(self, call: Callable[[Sink], None]) -> None:
        for sink in self._sinks.values():
            try:
                call(sink)
            except Exception as error:
                self._fail(sink, error)

    def _fail(self, failed: Sink, error: Exception) -> None:
        """Detach and end a sink that raised, which is a bug in it, so that the others go on."""
        self._sinks = {key: sink for key, sink in self._sinks.items() if sink is not failed}
        self._patient &= self._sinks.keys()
        self._audiences = {k: each for k, each in self._audiences.items() if k in self._sinks}
        self._on_sink_error(self.path, error)
        with suppress(Exception):  # its viewers should learn that nothing follows, if it still can
            failed.end()
