"""The recording of one stream: where its media comes from, and another tape when one has failed.

HLS that runs, in fMP4 with parts ─► its packager's archive ─┐
no such HLS ─► a packager of its own ────────────────────────┼─► tape
format = "flv" ─► the stream's messages ─────────────────────┘
"""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Final

from headend.events import RecordingFailed
from headend.hls.limits import HlsLimits, limits_of
from headend.hub.stream import Stream
from headend.logs import shown
from headend.net.runtime import Runtime
from headend.record.disk import DiskWriter
from headend.record.flv_sink import FlvSink
from headend.record.index import RecordingIndex
from headend.record.interrupted import Interrupted
from headend.record.mp4_store import Mp4Store
from headend.record.tape import Tape, TapeSettings

if TYPE_CHECKING:
    from headend.hls.packager import HlsPackager
    from headend.hls.streams import HlsStreams

log = logging.getLogger(__name__)

LOST: Final = "packaging has failed, which is a bug"
RETRY_S: Final = 5.0  # after the first failure in a row, twice as long after each further one
LONGEST_RETRY_S: Final = 60.0
GOOD_S: Final = 60.0  # a tape that ran so long ends the row of failures


@dataclass(frozen=True, slots=True)
class Shared:
    """Parts that all recordings share.

    Attributes:
        runtime: Runtime of the server.
        disk: Writes files.
        index: Takes rows.
        folder: Folder of all recordings, by the settings in effect.
        hls: Packages streams for HLS; None: this server has no HLS.
        resume: Returns a recording of before the start that goes on; see `Mending.resume`.
    """

    runtime: Runtime
    disk: DiskWriter
    index: RecordingIndex
    folder: Callable[[], Path]
    hls: "HlsStreams | None"
    resume: Callable[[str, str, float], Interrupted | None]


class StreamRecorder:
    """Records one stream until it ends or is told to stop.

    Attributes:
        stream: The stream that is recorded.
        tape: The recording that runs; None: there is none, after a failure.
        failure: Why the last recording ended before the stream; empty: it did not.
        failures: Number of recordings that ended so.
        is_over: The stream is not recorded any more.
    """

    def __init__(self, ground: Shared, stream: Stream, ended: Callable[[str], None]) -> None:
        """Begin to record.

        Args:
            ground: What all recordings share.
            stream: What is recorded.
            ended: Called with the id of a recording that has ended.
        """
        self._ground: Final = ground
        self.stream: Final = stream
        self._ended: Final = ended
        self.tape: Tape | None = None
        self.failure = ""
        self.failures = 0
        self.is_over = False
        self._in_a_row = 0
        self._began = 0.0
        self._retry_at = 0.0
        self._leave: Callable[[], None] = _nothing
        self._is_attached: Callable[[], bool] = lambda: True
        self._begin()

    def tick(self, now: float) -> None:
        """Begin another recording after a failure or the loss of a packager, when it is time."""
        if self.is_over:
            return
        if not self.stream.has_begun and self.tape is None:
            self.is_over = True
        elif self.tape is None and now >= self._retry_at and self.stream.has_begun:
            self._begin()
        elif self.tape is not None and self.stream.has_begun and not self._is_attached():
            self.tape.fail(LOST)

    def stop(self) -> None:
        """End the recording; its media so far is kept."""
        self.is_over = True
        self._leave()
        if self.tape is not None:
            self.tape.end()

    def reported(self, fault: str) -> None:
        """Tell the log of a fault of the media, for a packager of our own."""
        log.warning("recording of %s: %s", shown(self.stream.path), shown(fault))

    # ------------------------------------------------------------------ a tape

    def _begin(self) -> None:
        rules = self._ground.runtime.rules.of(self.stream.path)
        record = rules.record
        now = time()
        since = now - rules.live.reconnect_window_s
        before = self._ground.resume(self.stream.path, record.format, since)
        id = f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        if before is not None:
            id = before.recording.id
        wanted = TapeSettings(
            id,
            self.stream.path,
            self._ground.folder(),
            record.format,
            record.part_s,
            record.file_s,
            record.min_free_bytes,
        )
        self._began = self._ground.runtime.loop.time()
        ground = self._ground
        self.tape = Tape(wanted, ground.disk, ground.index, self, clock=time, before=before)
        became = "begins" if before is None else "goes on"
        log.info("recording %s of %s %s", id, shown(self.stream.path), became)
        if record.format == "flv":
            self._take_messages(self.tape, rules.hls.segment_s)
            return
        hls = rules.hls
        has_parts = hls.container == "fmp4" and 0 < hls.part_s <= record.part_s
        if ground.hls is not None and hls.start != "off" and has_parts:
            self._share(ground.hls, Mp4Store(self.tape))
        else:
            limits = replace(limits_of(hls), container="fmp4", part_s=record.part_s)
            self._package(Mp4Store(self.tape), limits)

    def _share(self, hls: "HlsStreams", store: Mp4Store) -> None:
        """Have what is packaged for players."""
        packaged = hls.begin(self.stream, store)
        self._leave = lambda: packaged.leave(store)
        self._is_attached = lambda: not packaged.is_lost

    def _package(self, store: Mp4Store, limits: HlsLimits) -> None:
        """Package for the recording alone."""
        from headend.hls.packager import HlsPackager

        interval_s = (self.stream.keyframe_interval or 0) / 1000
        packager = HlsPackager(limits, None, self, time, keyframe_interval_s=interval_s)
        packager.archive.join(store)
        self._attach(packager)

    def _take_messages(self, tape: Tape, segment_s: float) -> None:
        """Keep every message."""
        self._attach(FlvSink(tape, segment_s, self.stream.headers, time))

    def _attach(self, sink: "FlvSink | HlsPackager") -> None:
        key = "record", secrets.token_hex(8)
        self._leave = lambda: self.stream.detach(key)
        self._is_attached = lambda: self.stream.sink(key) is sink
        self.stream.attach(key, sink, is_patient=True, audience=lambda: 0)

    def tape_over(self, tape: Tape, failure: str) -> None:
        """Take note that a recording has ended."""
        path = shown(self.stream.path)
        if not failure and not self.is_over and self.stream.has_begun:
            failure = LOST  # the hub ends what raises an error
        if failure:
            log.error("recording %s of %s has failed: %s", tape.id, path, shown(failure))
        else:
            log.info("recording %s of %s is ready", tape.id, path)
        self.failure = failure
        self.tape = None
        self._leave()
        self._leave = _nothing
        if not failure:
            self.is_over = True
        else:
            self._fail(tape)
        self._ended(tape.id)

    def _fail(self, tape: Tape) -> None:
        is_known = tape.is_begun or self._in_a_row  # told by the index, or before
        if not is_known:
            self._ground.runtime.events.emit(
                RecordingFailed(
                    time=time(),
                    recording=tape.id,
                    stream=self.stream.path,
                    reason=self.failure,
                    bytes=0,
                    duration_s=0.0,
                )
            )
        now = self._ground.runtime.loop.time()
        self.failures += 1
        self._in_a_row = 1 if now - self._began >= GOOD_S else self._in_a_row + 1
        wait = min(RETRY_S * 2 ** min(self._in_a_row - 1, 10), LONGEST_RETRY_S)
        self._retry_at = now + wait

    @property
    def finding(self) -> str | None:
        """Line for the health of the stream; None: all is well."""
        if not self.failure or self.is_over:
            return None
        if self.tape is not None and self.tape.is_begun:
            return None
        return f"recording has failed: {self.failure}; it is tried again"


def _nothing() -> None:
    """Have nothing to leave."""
