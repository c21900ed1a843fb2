"""The feature that records streams, and mends recordings after a crash.

record.match, rules ─► answer to its publisher ─► by hand ─► StreamRecorder of each stream
                                                                └─► tape ─► files and index

What comes later in the first row goes before what comes earlier.
"""

import asyncio
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, Final, cast

from headend.errors import Refusal, Rejected
from headend.events import Event, StreamConnected
from headend.features.feature import Feature, Label, Values
from headend.hls.port import Packaging
from headend.hub.stream import Stream
from headend.live.publishing import Publishing
from headend.live.services import Services
from headend.record.disk import DiskWriter
from headend.record.mending import Mending
from headend.record.recordings import Recordings
from headend.record.stream_recorder import Shared, StreamRecorder
from headend.record.values import Recording
from headend.settings import Settings, StreamRules

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from headend.hls.streams import HlsStreams

SWEEP_S: Final = 1.0
PACKAGER: Final = "headend.hls.packager"  # loads FFmpeg


class Recorders(Feature):
    """Records streams, each at most once at a time.

    Attributes:
        index: The rows of all recordings.
        disk: Writes the files.
    """

    name: ClassVar[str] = "record"

    def __init__(self, services: Services, recordings: Recordings) -> None:
        """Take the parts.

        Args:
            services: What features share.
            recordings: Feature that knows the recordings; it gets `self` as its recorder.
        """
        self._services: Final = services
        self._recordings: Final = recordings
        self.index: Final = recordings.index
        recordings.recorder = self
        self.disk: Final = DiskWriter(services.loop)
        self._recorders: dict[Stream, StreamRecorder] = {}
        # Streams that are recorded, or not, whatever the settings say.
        self._by_hand: dict[Stream, bool] = {}
        self._answered: dict[Stream, bool] = {}  # by those who decide about publishers
        self._mending: Final = Mending(
            self.index,
            lambda: recordings.folder,
            lambda path: services.rules.of(path).hls.segment_s,
            self.disk.locks,
        )
        self._failures = 0  # of streams that are gone
        self._loading: asyncio.Task[object] | None = None
        self._mends: asyncio.Task[None] | None = None
        self._sweep = services.loop.call_later(SWEEP_S, self._look)
        self._ended_one = asyncio.Event()
        services.events.subscribe(self._event)

    # ------------------------------------------------------------------ the feature

    def start(self) -> None:
        self._mends = self._services.loop.create_task(self._mending.run(), name="mend recordings")
        if self._services.rules.uses("record.enabled"):
            import_module(PACKAGER)  # nothing of a stream is lost because FFmpeg is not there yet

    def configure(self, settings: Settings) -> None:
        for stream in list(self._services.registry.streams()):
            if stream.has_begun:
                self.stream_began(stream, self._services.rules.of(stream.path))

    def stream_began(self, stream: Stream, rules: StreamRules) -> None:
        self._take_answer(stream)
        recorder = self._recorders.get(stream)
        if not self._is_wanted(stream):
            if recorder is not None:
                recorder.stop()
        elif self._is_loaded:
            self._begin(stream)
        else:
            self._load().add_done_callback(lambda _: self._begin(stream))

    def stream_left(self, stream: Stream) -> None:
        recorder = self._recorders.get(stream)
        if recorder is not None:
            recorder.stop()

    def findings(self, stream: Stream) -> Sequence[str]:
        recorder = self._recorders.get(stream)
        finding = None if recorder is None else recorder.finding
        return () if finding is None else (finding,)

    def status(self) -> Values:
        return {"recordings": self._running, "failures": self._all_failures}

    def metrics(self, label: Label) -> "Sequence[Metric]":
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

        return (
            GaugeMetricFamily("headend_recordings", "Streams that are recorded.", self._running),
            CounterMetricFamily(
                "headend_recordings_failed",
                "Recordings that ended before their stream.",
                self._all_failures,
            ),
            CounterMetricFamily(
                "headend_recorded_bytes", "Bytes written to recordings.", self.disk.written
            ),
            GaugeMetricFamily(
                "headend_recording_queue_bytes", "Bytes that wait for the disk.", self.disk.queued
            ),
        )

    async def stop(self) -> None:
        """End all recordings, and wait until they are on the disk."""
        self._sweep.cancel()
        for task in (self._loading, self._mends):
            if task is not None:
                task.cancel()
        for recorder in list(self._recorders.values()):
            recorder.stop()
        try:
            while any(each.tape is not None for each in self._recorders.values()):
                self._ended_one.clear()
                await self._ended_one.wait()
        finally:
            self.disk.close()

    # ------------------------------------------------------------------ by hand

    def record(self, path: str) -> Recording:
        """Record a stream from now on, whatever the settings say of it; see `RecordingControl`.

        Raises:
            Rejected: The stream is not live, or cannot be recorded now.
        """
        stream = self._services.registry.stream(path)
        if stream is None or not stream.has_begun or stream.is_copy:
            raise Rejected(Refusal.NOT_FOUND, f"nobody publishes {path}.")
        if not self._is_loaded:
            self._load()
            raise Rejected(Refusal.BUSY, "recording is being prepared; try again in a second")
        self._by_hand[stream] = True
        self._begin(stream)
        tape = self._recorders[stream].tape
        if tape is None:
            raise Rejected(Refusal.BUSY, self._recorders[stream].finding or "recording has failed")
        return tape.recording

    def stop_recording(self, id: str) -> None:
        """End a recording that runs; its stream is not recorded any more."""
        for stream, recorder in self._recorders.items():
            if recorder.tape is not None and recorder.tape.id == id:
                self._by_hand[stream] = False
                recorder.stop()

    # ------------------------------------------------------------------ streams

    def _load(self) -> "asyncio.Task[object]":
        """Load what packages, in a thread."""
        if self._loading is None:
            loading = asyncio.to_thread(import_module, PACKAGER)
            self._loading = self._services.loop.create_task(loading)
        return self._loading

    @property
    def _is_loaded(self) -> bool:
        return PACKAGER in sys.modules and (self._loading is None or self._loading.done())

    @property
    def _hls(self) -> "HlsStreams | None":
        return cast("HlsStreams | None", self._services.features.find(Packaging))

    def _event(self, event: Event) -> None:
        """Take note of a publisher that comes back, or takes a stream over."""
        if isinstance(event, StreamConnected):
            stream = self._services.registry.stream(event.stream)
            if stream is not None and self._take_answer(stream):
                self.stream_began(stream, self._services.rules.of(stream.path))

    def _take_answer(self, stream: Stream) -> bool:
        """Note what was answered about the publisher on air; say whether that is news.

        Where nothing was answered, what was answered about an earlier one of the stream holds.
        """
        publisher = stream.publisher
        answer = publisher.is_recorded if isinstance(publisher, Publishing) else None
        if answer is None or self._answered.get(stream) is answer:
            return False
        self._answered[stream] = answer
        return True

    def _is_wanted(self, stream: Stream) -> bool:
        if stream.is_copy:
            return False  # it is recorded where it is published
        for said in (self._by_hand, self._answered):
            if stream in said:
                return said[stream]
        return self._services.rules.of(stream.path).is_recorded

    def _begin(self, stream: Stream) -> None:
        if not (self._is_loaded and stream.has_begun and self._is_wanted(stream)):
            return
        known = self._recorders.get(stream)
        if known is None or (known.is_over and known.tape is None):
            runtime = self._services.runtime
            ground = Shared(
                runtime,
                self.disk,
                self.index,
                lambda: self._recordings.folder,
                self._hls,
                self._mending.resume,
            )
            self._recorders[stream] = StreamRecorder(ground, stream, self._ended)

    def _ended(self, id: str) -> None:
        """Take note that a recording has ended."""
        self._ended_one.set()
        self._mending.ended(id)

    @property
    def _running(self) -> int:
        return sum(each.tape is not None for each in self._recorders.values())

    @property
    def _all_failures(self) -> int:
        return self._failures + sum(each.failures for each in self._recorders.values())

    def _look(self) -> None:
        """Try again what failed, and forget streams that are over."""
        self._sweep = self._services.loop.call_later(SWEEP_S, self._look)
        now = self._services.loop.time()
        for stream, recorder in list(self._recorders.items()):
            recorder.tick(now)
            if recorder.is_over and recorder.tape is None:
                self._failures += recorder.failures
                del self._recorders[stream]
                self._begin(stream)  # where it was wanted again meanwhile
        for said in (self._by_hand, self._answered):
            for stream in [each for each in said if not each.has_begun]:
                del said[stream]
