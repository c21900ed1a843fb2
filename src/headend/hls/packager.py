"""The packager of HLS: a sink that makes runs of a stream's packets.

    tag ─► packet ─► run: in order, cut into parts and segments ─► store

A run is media of one publisher with unchanged tracks; see `headend.hls.run`. Between two runs there
is a discontinuity. A track that comes, or falls silent for a while, begins another run.
"""

from collections.abc import Callable, Sequence
from math import ceil
from typing import Final, Protocol

from headend.codec.package import Packet, Track, unusable
from headend.codec.packets import Packets
from headend.errors import MediaError
from headend.hls.held import APART_MS, Held
from headend.hls.limits import HlsLimits
from headend.hls.restraint import Restraint
from headend.hls.run import Run
from headend.hls.shelf import Shelf
from headend.hls.store_port import SegmentStore, Tee
from headend.media.silence import silence_of
from headend.media.tag import AUDIO, VIDEO, Tag, TagKind

WAIT_MS: Final = 1_000  # of media, for a track that may still come when a run starts
PAUSE_MS: Final = {AUDIO: 1_000, VIDEO: 3_000}  # of the other track: then the run goes on without
ALONE_MS: Final = 3_000  # of audio without video, after which it goes on alone
GAP_MS: Final = 3_000  # a longer hole in the media is a discontinuity, not a long frame


class PackagerObserver(Protocol):
    """The owner of a packager, which is told of faults."""

    def reported(self, fault: str) -> None:
        """Take note of a fault of the media, once for each kind. Must not raise."""


class HlsPackager:
    """The sink that packages a stream for HLS.

    Attributes:
        packets: Makes packets of the stream's tags, and counts what it leaves out.
        archive: Stores that take all of the media, also where HLS has ended or has to wait for a
            keyframe.
        over: Why packaging has ended though the stream goes on; None: it has not.
    """

    def __init__(
        self,
        limits: HlsLimits,
        store: SegmentStore | None,
        observer: PackagerObserver,
        wall_clock: Callable[[], float],
        *,
        keyframe_interval_s: float = 0.0,
    ) -> None:
        """Make a packager; it is attached to its stream next.

        Args:
            limits: Settings of the packager.
            store: Takes the segments for players; None: there is the archive alone.
            observer: Told of faults.
            wall_clock: Gives Unix seconds.
            keyframe_interval_s: Keyframe interval of the stream; 0: not known.
        """
        self._limits = limits
        self._wall_clock = wall_clock
        self._packets = self.packets = Packets(limits.container, observer.reported)
        self._store = store
        self.archive: Final = Tee()
        both = Tee([*([store] if store is not None else []), self.archive])
        self._shelf = Shelf(limits, both, self.archive, wall_clock, self._packets.leave_out)
        if store is None:
            self._shelf = self._shelf.loose()
        self._shelf.interval_s = keyframe_interval_s
        self.over: str | None = None
        self._run: Run | None = None
        self._version = -1  # of the tracks of the run
        self._restraint = Restraint()
        self._failed_version = -1  # of tracks that no muxer takes
        self._fault: str | None = None  # why the last run failed
        self._left_out = 0  # frames before the newest run began
        self._is_new_encoder = False
        self._held = Held()  # until a run starts
        self._silent: set[TagKind] = set()  # kinds that are not waited for
        self._has_come: set[TagKind] = set()  # kinds that came and are not in the run
        self._still: tuple[Track | None, Packet] | None = None  # the newest keyframe

    @property
    def interval_s(self) -> float:
        """Longest time from one keyframe to the next so far; 0: not known."""
        return self._shelf.interval_s

    @property
    def fault(self) -> str | None:
        """Why nothing is packaged now; None: it is, or nothing came that could be."""
        if self.over is not None:
            return self.over
        if self._run is not None:
            return None
        return self._fault or self._packets.why_none(self._left_out)

    # ------------------------------------------------------------------ the sink

    def start(self, headers: Sequence[Tag]) -> None:
        self._put(self._packets.flush())
        self._end_run()
        self._packets.clear()
        self._held.clear()
        self._silent.clear()
        self._still = None
        self._is_new_encoder = True
        for tag in headers:
            self._packets.packet(tag)

    def push(self, tag: Tag) -> None:
        if tag.is_sequence_header:
            self._put(self._packets.flush())
        self._put(self._packets.take(tag))

    def _put(self, packets: Sequence[Packet]) -> None:
        for packet in packets:
            if self.over is not None and self.archive.is_empty:
                return
            try:
                self._silent.discard(packet.kind)
                if packet.starts_gop and packet.is_independent:
                    self._still = self._packets.tracks.get(VIDEO), packet
                if not self._goes_on(packet):
                    self._hold(packet)
                elif self._run is not None and self._is_of_run(packet.kind):
                    self._write(self._run, packet)
                else:
                    self._has_come.add(packet.kind)
            except MediaError as error:
                self._fail(error)

    def interrupt(self) -> None:
        """Pass on all that is held back, so that players have all the media there is."""
        self._put(self._packets.flush())
        if self._run is not None:
            self._run.flush()

    def resume(self) -> None:
        """Do nothing: the media that goes on comes as tags."""

    def end(self) -> None:
        self._put(self._packets.flush())
        self._end_run()
        if self._is_strict:
            self._close()
        self.archive.end()

    # ------------------------------------------------------------------ runs

    def _goes_on(self, packet: Packet) -> bool:
        """Say whether a packet belongs to the run or to none; else it is one of the next run."""
        run = self._run
        if run is None or self._is_new_encoder or self._held.packets:
            return False
        has_video = VIDEO in run.tracks
        if self._version != self._packets.version:
            # Sound that is new or another can wait for a keyframe, up to which the picture goes on.
            return has_video and self._is_of_run(VIDEO) and not packet.starts_gop
        is_new = not self._is_of_run(packet.kind)
        if not run.is_near(packet.dts, APART_MS if is_new else GAP_MS):
            return False
        if not has_video or run.fill_in.still is not None:
            return not packet.starts_gop
        if packet.kind is AUDIO:
            return not self._pauses(run, VIDEO)
        return not (packet.starts_gop and (AUDIO in self._has_come or self._pauses(run, AUDIO)))

    def _pauses(self, run: Run, kind: TagKind) -> bool:
        """Say whether a track of the run has been silent for long; it is not waited for then."""
        fill_in = run.fill_in
        is_own = kind in run.tracks and (kind is VIDEO or fill_in.silence is None)
        is_filled = kind is AUDIO and fill_in.is_filled
        if not is_own or (run.silent_ms(kind) < PAUSE_MS[kind] and not is_filled):
            return False
        self._silent.add(kind)
        return True

    @property
    def _is_strict(self) -> bool:
        """Segments are made for players too."""
        return not self._shelf.is_loose

    def _write(self, run: Run, packet: Packet) -> None:
        was_loose = run.is_loose
        run.push(packet)
        if run.is_stuck:
            self._silent.add(VIDEO)
            self._end_run()
        elif run.over is not None and was_loose and run.is_ended:
            raise MediaError(run.over)
        elif run.over is not None and not was_loose:
            if run.is_ended:
                self._end_run()
            self._stop(run.over)

    def _stop(self, reason: str) -> None:
        """End packaging for players though the stream goes on."""
        self.over = reason
        self._packets.report(f"HLS ends: {reason}")
        self._close()
        self._shelf = self._shelf.loose()

    def _hold(self, packet: Packet) -> None:
        """Hold a packet back until it is clear which tracks the next run has; then start it."""
        tracks = self._packets.tracks
        if self._held.keep(tracks):
            self._restraint.forget()
        now = self._wall_clock()
        # A picture that was held back may be of a track that has gone since.
        is_refused = self._failed_version == self._packets.version or packet.kind not in tracks
        if is_refused or not self._restraint.may_begin(now):
            return
        held = self._held
        if not held.is_near(packet, GAP_MS):
            held.clear()
        # A run with video begins at a keyframe.
        is_video_known = VIDEO in tracks and VIDEO not in self._silent
        if packet.kind is VIDEO and not held.has(VIDEO):
            if not packet.is_keyframe:
                return
            held.keep_from(packet.dts)
        held.add(packet, now)
        has_video, has_audio = held.has(VIDEO), held.has(AUDIO)
        is_late = held.span_ms >= WAIT_MS or held.is_full
        if has_video and (has_audio or is_late or AUDIO in self._silent):
            self._start_run(has_video=True, has_audio=has_audio)
        elif has_audio and (
            (is_late and not is_video_known) or held.span_ms >= ALONE_MS or held.is_full
        ):
            self._start_run(has_video=False, has_audio=True)

    def _is_of_run(self, kind: TagKind) -> bool:
        """Say whether the run has this track as it is now."""
        known = self._packets.tracks.get(kind)
        if known is None or self._run is None:
            return False
        fill_in = self._run.fill_in
        if (fill_in.silence if kind is AUDIO else fill_in.still) is not None:
            return False
        return known is self._run.tracks.get(kind)

    def _fail(self, error: MediaError) -> None:
        """End a run that cannot go on; the next one begins at a keyframe."""
        self._fault = str(error)
        self._packets.report(self._fault)
        self._restraint.fail(self._wall_clock())
        self._end_run()

    def _start_run(self, *, has_video: bool, has_audio: bool) -> None:
        self._end_run()
        held, anchor = self._held.take()
        wanted = [kind for kind, is_there in ((VIDEO, has_video), (AUDIO, has_audio)) if is_there]
        self._version = self._packets.version
        self._is_new_encoder = False
        tracks = {kind: self._packets.tracks[kind] for kind in wanted}
        silence = still = None
        if has_video and not has_audio and (sound := self._packets.tracks.get(AUDIO)) is not None:
            silence = silence_of(sound.config)
            if silence is not None:
                tracks[AUDIO] = sound
        picture = self._packets.tracks.get(VIDEO)
        if not has_video and picture is not None and self._still is not None:
            track, keyframe = self._still
            if track is picture:
                tracks = {VIDEO: picture, **tracks}
                still = keyframe._replace(dts=held[0].dts, pts=held[0].dts)
                held = [still, *held]
        self._restraint.begin(self._wall_clock())
        try:
            self._run = Run(self._shelf, tracks, held, anchor, silence, still)
        except MediaError as error:
            self._held.packets, self._held.anchor = held, anchor
            self._go_without(list(tracks.values()), error)
            return
        self._has_come.clear()
        self._fault, self._left_out = None, self._packets.left_out
        for packet in held:
            if self._run is not None:
                self._write(self._run, packet)

    def _go_without(self, tracks: Sequence[Track], error: MediaError) -> None:
        """Start a run of the tracks that FFmpeg takes alone, if it takes any."""
        refused = unusable(tracks, self._limits.container)
        if not refused or len(refused) == len(tracks):
            self._failed_version = self._packets.version
            raise error
        for track in refused:
            self._packets.refuse(track, str(error))
        self._held.keep(self._packets.tracks)
        self._start_run(has_video=self._held.has(VIDEO), has_audio=self._held.has(AUDIO))

    def _end_run(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.end()

    def _close(self) -> None:
        """Tell the players' store that nothing follows, and what was promised in any case."""
        if not self._shelf.target_s:
            self._shelf.promise(target_s=max(1, ceil(self._limits.segment_s)))
        assert self._store is not None
        self._store.end()
