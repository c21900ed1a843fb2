"""Streams that are packaged for HLS, mostly while somebody asks for them.

request ─► HlsStream, made for the first one ─► packager attached to the stream ─► window
               └─ observers: told of each change, such as requests that wait for a part
"""

import asyncio
import logging
import secrets
import string
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from time import time
from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakKeyDictionary

from headend.features.feature import Label, Values
from headend.hls.limits import limits_of
from headend.hls.numbers import First, Numbers
from headend.hls.playlists import Playlists
from headend.hls.port import Packaging
from headend.hls.store_port import SegmentStore
from headend.hls.viewers import HlsAudience, HlsViewers
from headend.hls.window import Window
from headend.hub.registry import Registry
from headend.hub.stream import Stream
from headend.logs import shown
from headend.net.runtime import Runtime
from headend.settings import Settings, StreamRules

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

log = logging.getLogger(__name__)

PACKAGER: Final = "headend.hls.packager"  # which loads FFmpeg's libraries
SWEEP_S: Final = 1.0
EPOCH_CHARACTERS: Final = 6
# Target durations without anything new while media comes, after which a playlist is no live one;
# players wait for one and a half (RFC 8216, 6.3.4), and requests that block for three.
STALE_TARGETS: Final = 3
QUIET_S: Final = 1.0  # without media: nothing new can come
LEFT_S: Final = 30.0  # what was packaged of a stream that another server packages now stays so long
REMAKE_S: Final = 10.0  # at least from one packager of a stream to the next, after a bug in it

_ALPHABET: Final = string.ascii_lowercase + string.digits


class HlsStream:
    """One stream that is packaged.

    Attributes:
        stream: The stream that is packaged.
        packager: The sink that packages it.
        playlists: Playlists and media that clients may ask for.
        began: When packaging began, monotonic seconds.
        audience: The viewers of the stream.
        first: Numbers of the first segment.
        is_closed: The stream is packaged no more.
        waiting: Requests that wait for a part or a playlist.
    """

    def __init__(
        self,
        streams: "HlsStreams",
        runtime: Runtime,
        stream: Stream,
        first: First,
        interval_s: float = 0.0,
        archive: SegmentStore | None = None,
    ) -> None:
        """Begin to package.

        Args:
            streams: Told of changes.
            runtime: Runtime of the server.
            stream: The stream to package.
            first: Numbers of the first segment.
            interval_s: Longest time from one keyframe to the next so far; 0: not known.
            archive: Takes the same media from its beginning.
        """
        from headend.hls.packager import HlsPackager

        self._streams = streams
        self._runtime = runtime
        self.stream: Final = stream
        self.first: Final = first
        self.is_closed = False
        self.waiting = 0
        self.began = runtime.loop.time()
        self._changed_at = self.began  # when something new came, or could not come
        self.audience: Final = HlsAudience(streams.viewers)
        limits = limits_of(runtime.rules.of(stream.path).hls)
        epoch = "".join(secrets.choice(_ALPHABET) for _ in range(EPOCH_CHARACTERS))
        window = Window(epoch, first, limits)
        window.observers.append(self)
        self.playlists: Final = Playlists(window)
        self.packager: Final = HlsPackager(
            limits,
            window,
            self,
            time,
            keyframe_interval_s=interval_s,
        )
        if archive is not None:
            self.packager.archive.join(archive)
        self._key: Final = "hls", epoch
        # A tenth of a second is little beside a part and how far players stay behind.
        stream.attach(self._key, self.packager, is_patient=True, audience=self._watching)

    def close(self) -> None:
        """Package no more for players; an archive gets the media until it leaves."""
        self.is_closed = True
        self._detach()
        self._streams.tell(self)
        self.audience.end("packaging ended")

    def leave(self, archive: SegmentStore) -> None:
        """Remove an archive, which gets no more media."""
        self.packager.archive.leave(archive)
        if self.is_closed:
            self._detach()

    def _detach(self) -> None:
        is_attached = self.stream.sink(self._key) is self.packager
        if is_attached and self.packager.archive.is_empty:
            self.stream.detach(self._key)

    @property
    def is_lost(self) -> bool:
        """The packager was detached on a bug, and the stream goes on without it."""
        return self.stream.has_begun and self.stream.sink(self._key) is not self.packager

    def trouble(self) -> str | None:
        """Say why the playlists are not those of a live stream; None: they are.

        They are also while the publisher is away or sends nothing, and when the stream is over.
        """
        if self.is_lost:
            return "packaging has failed, which is a bug; it begins anew in some seconds"
        now = self._runtime.loop.time()
        is_quiet = not self.stream.is_live or self.stream.silent_s(now) >= QUIET_S
        if is_quiet or self.playlists.is_over:  # which the playlist itself says
            return None
        fault = self.packager.fault
        patience: float = STALE_TARGETS * max(self.playlists.target_s, 1)
        if fault is None:  # a segment that grows, or a keyframe that is long in coming
            patience += self._runtime.rules.of(self.stream.path).hls.longest_s
        if now - self._changed_at <= patience:
            return None
        return fault or f"nothing new came within {patience:g} s"

    def findings(self) -> list[str]:
        """Say what an operator should know of the packaging, a line each."""
        packets = self.packager.packets
        trouble = self.trouble()
        texts = [f"HLS stands still: {trouble}"] if trouble is not None else []
        if self.packager.over is not None:
            texts.append(f"HLS has ended: {self.packager.over}")
        texts += [f"HLS: {refusal}" for refusal in packets.refusals]
        if packets.left_out:
            texts.append(f"frames left out by HLS: {packets.left_out}; newest: {packets.fault}")
        return texts

    def let_time_pass(self, now: float) -> None:
        """Take note that the publisher is away or silent, so playlists rightly have nothing new."""
        if not self.stream.is_live or self.stream.silent_s(now) >= QUIET_S:
            self._changed_at = now

    @contextmanager
    def one_more_waiting(self) -> Iterator[None]:
        """Count a request that waits, while the block runs."""
        self.waiting += 1
        self._streams.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1
            self._streams.waiting -= 1

    def _watching(self) -> int:
        """Return how many watch: viewers, and clients that may become one."""
        return len(self.audience) + (self.waiting > 0)

    def changed(self) -> None:
        """Tell the observers that there is more to fetch."""
        self._changed_at = self._runtime.loop.time()
        self._streams.tell(self)

    def reported(self, fault: str) -> None:
        """Tell the log of a fault of the media."""
        log.warning("hls %s: %s", shown(self.stream.path), shown(fault))


class HlsObserver(Protocol):
    """An observer of the streams that are packaged."""

    def changed(self, stream: HlsStream) -> None:
        """Take note that a stream has more to fetch, or has ended. Must not raise."""


class HlsStreams(Packaging):
    """The feature: all streams that are packaged.

    Attributes:
        viewers: The viewers of all streams.
        observers: Told of each change of a stream.
        requests: How many requests there were, by kind.
        waiting: Requests that wait now.
        left_out: Frames that were left out of streams that are packaged no more.
        numbers: Numbers with which names go on.
    """

    name = "hls"

    def __init__(self, runtime: Runtime, registry: Registry, viewers: HlsViewers) -> None:
        """Prepare; nothing is packaged before somebody asks for it, or `hls.start` says so."""
        self._runtime = runtime
        self._registry = registry
        self.viewers: Final = viewers
        self._streams: dict[str, HlsStream] = {}
        self._left: dict[str, tuple[HlsStream, float]] = {}  # and until when it is kept
        self.numbers: Final = Numbers()
        # Discontinuity sequence number of what was packaged before, and its keyframe interval, s.
        self._known: WeakKeyDictionary[Stream, tuple[int, float]] = WeakKeyDictionary()
        self.observers: Final[list[HlsObserver]] = []
        self.requests: Counter[str] = Counter()
        self.waiting = 0
        self.left_out = 0
        self._loading: asyncio.Task[object] | None = None
        self._timer = runtime.loop.call_later(SWEEP_S, self._sweep)

    def configure(self, settings: Settings) -> None:
        """Begin to package what is published, where that is wanted from now on."""
        for stream in list(self._registry.streams()):
            if stream.has_begun:
                self.stream_began(stream, self._runtime.rules.of(stream.path))

    def stream_began(self, stream: Stream, rules: StreamRules) -> None:
        """Package a stream from its beginning, where that is wanted."""
        if rules.hls.start == "publish":
            self._load().add_done_callback(lambda _: self._begin_published(stream))

    def _begin_published(self, stream: Stream) -> None:
        """Package a stream, once what packages is loaded; it may be over by then."""
        hls = self._runtime.rules.of(stream.path).hls
        is_ours = stream.has_begun and not stream.is_copy
        if self.is_loaded and is_ours and hls.start == "publish":
            self.begin(stream)

    def stream_left(self, stream: Stream) -> None:
        """Package a stream no more that another server packages."""
        packaged = self._streams.get(stream.path)
        if packaged is not None and packaged.stream is stream:
            self._close(packaged)
            del self._streams[stream.path]
            del self._known[stream]  # the numbers go on elsewhere
            self._left[stream.path] = packaged, self._runtime.loop.time() + LEFT_S

    def findings(self, stream: Stream) -> Sequence[str]:
        """Say what an operator should know of the packaging of a stream, a line each."""
        packaged = self.find(stream.path)
        return () if packaged is None or packaged.stream is not stream else packaged.findings()

    def metrics(self, label: Label) -> "Sequence[Metric]":
        """Return the metrics of all streams."""
        from headend.hls.metrics import collect

        return collect(self)

    def status(self) -> Values:
        """Say how many streams are packaged, and how many watch."""
        viewers = sum(len(each.audience) for each in self._streams.values())
        return {"streams": len(self._streams), "viewers": viewers}

    async def stop(self) -> None:
        """End all packaging."""
        self._timer.cancel()
        if self._loading is not None:
            self._loading.cancel()
        for each in self._streams.values():
            each.close()
        self._streams.clear()
        self._left.clear()

    def find(self, path: str) -> HlsStream | None:
        """Return the packaging of a stream; None: it is not packaged."""
        return self._streams.get(path)

    def left(self, path: str) -> HlsStream | None:
        """Return what was packaged here of a stream, before another server did; players ask for it.

        None: nothing, or that is long ago.
        """
        return self._left.get(path, (None,))[0]

    @property
    def is_loaded(self) -> bool:
        """The packager has been imported; see `load`."""
        loading = self._loading
        return loading is not None and loading.done() and not loading.cancelled()

    async def load(self) -> None:
        """Import the packager in a thread, so that a server that packages nothing has no FFmpeg."""
        await asyncio.shield(self._load())

    def _load(self) -> "asyncio.Task[object]":
        if self._loading is None:
            loading = asyncio.to_thread(import_module, PACKAGER)
            self._loading = self._runtime.loop.create_task(loading)
        return self._loading

    def begin(self, stream: Stream, archive: SegmentStore | None = None) -> HlsStream:
        """Return the packaging of a stream, begun if it is not yet, and anew if it was lost.

        Await `load` before.

        Args:
            stream: The stream to package.
            archive: Takes the same media; from the next segment on, if packaging has begun.
        """
        known = self._streams.get(stream.path)
        if known is not None:
            is_young = self._runtime.loop.time() - known.began < REMAKE_S
            is_over = known.is_lost or known.packager.over is not None
            if known.stream is stream and (is_young or not is_over):
                if archive is not None:
                    known.packager.archive.join(archive)
                return known
            self._close(known)
        first = self.numbers.first(stream.path, time())
        interval_s = (stream.keyframe_interval or 0) / 1000
        if stream in self._known:  # players that come back would wait for what they know
            discontinuity, longest_s = self._known[stream]
            first = replace(first, discontinuity=discontinuity, goes_on=False)
            interval_s = max(interval_s, longest_s)
        made = HlsStream(self, self._runtime, stream, first, interval_s, archive)
        self._streams[stream.path] = made
        log.info("hls %s: packaging begins", shown(stream.path))
        return made

    def _close(self, ended: HlsStream) -> None:
        """End the packaging of a stream; the name goes on behind its numbers."""
        self.left_out += ended.packager.packets.left_out
        ended.close()
        following = ended.playlists.following
        self._known[ended.stream] = following.discontinuity, ended.packager.interval_s
        another = replace(following, discontinuity=following.discontinuity + 1)
        self.numbers.note(ended.stream.path, another, time())

    def packaged(self) -> list[HlsStream]:
        """Return the packaging of all streams that are packaged."""
        return list(self._streams.values())

    def tell(self, stream: HlsStream) -> None:
        """Tell the observers of a change of a stream."""
        for observer in self.observers:
            observer.changed(stream)

    def _sweep(self) -> None:
        """End what nobody asks for, begin anew what was lost."""
        runtime = self._runtime
        self._timer = runtime.loop.call_later(SWEEP_S, self._sweep)
        now = runtime.loop.time()
        self._left = {path: each for path, each in self._left.items() if each[1] > now}
        for path, each in list(self._streams.items()):
            each.let_time_pass(now)
            hls = runtime.rules.of(path).hls
            is_kept = hls.start == "publish" and not each.playlists.is_over
            is_kept = is_kept or not each.packager.archive.is_empty
            if not is_kept and not each.waiting and now - each.audience.asked > hls.idle_s:
                self._close(each)
                del self._streams[path]
                log.info("hls %s: packaging ends", shown(path))
            self._begin_published(each.stream)
