"""This module packages a stream for HLS: a sink that cuts it into parts and segments.

    tag ─► packet ─► in order ─► muxer ─► fragment = part ─► segment ─► window ─► playlist

A run is media of one publisher with unchanged tracks: one muxer, one init segment. Between two runs
there is a discontinuity. Media sequence numbers go on through all of them, and from one packager of
a name to the next; see `hls_numbers`.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import ceil, floor, inf
from typing import Final

from headend.errors import MediaError
from headend.media.package import BadPacketError, Muxer, Packet, Track, unusable
from headend.media.playlist import Segment
from headend.media.tag import AUDIO, VIDEO, Tag, TagKind
from headend.outputs.hls_held import Held
from headend.outputs.hls_limits import HlsLimits
from headend.outputs.hls_numbers import First
from headend.outputs.hls_packets import Packets
from headend.outputs.hls_playlists import Playlists
from headend.outputs.hls_restraint import Restraint
from headend.outputs.hls_window import Window

WAIT_MS: Final = 1_000  # of media, for a track that may still come when a run starts
ALONE_MS: Final = 3_000  # of audio without video, after which it goes on alone
GAP_MS: Final = 3_000  # a longer hole in the media is a discontinuity, not a long frame
AHEAD_MS: Final = 500  # audio waits so long for the video it belongs to
# Keyframe intervals vary by a frame or two; a segment may be so much longer than planned.
SLACK_S: Final = 0.45  # EXTINF is rounded to whole seconds before it is compared (RFC, 4.4.3.1)
FULLNESS: Final = 0.85  # a part is no shorter than so much of the part target (8216bis, 4.4.4.9)
DRIFT_S: Final = 2.0  # by how much dates may be off before they are corrected
FRAME_MS: Final = 40.0  # of video whose rate nobody knows


class HlsPackager:
    """The sink; see the module's head.

    Attributes:
        playlists: What clients may ask for.
        packets: What became of the stream's frames.
    """

    def __init__(
        self,
        limits: HlsLimits,
        epoch: str,
        first: First,
        keyframe_interval_s: float | None,
        wall_clock: Callable[[], float],
        changed: Callable[[], None],
        report: Callable[[str], None],
    ) -> None:
        """Make a packager; it is attached to its stream next.

        Args:
            limits: What is wanted.
            epoch: Goes into every name, so that names are never used twice.
            first: Numbers of the first segment.
            keyframe_interval_s: Of the stream, if it is known.
            wall_clock: Gives Unix seconds.
            changed: Called when more can be fetched, and at the end. Must not raise.
            report: Called with a line for each kind of fault of the media.
        """
        self._limits = limits
        self._wall_clock = wall_clock
        self._changed = changed
        self._is_whole = limits.container == "mpegts"  # a muxer makes a whole segment
        self._has_parts = not self._is_whole and limits.part_s > 0
        suffix = "m4s" if limits.container == "fmp4" else "ts"
        self._window = Window(epoch, first, suffix, limits.segments, limits.max_bytes)
        self._packets = self.packets = Packets(limits.container, report)
        self.playlists: Final = Playlists(self._window, has_parts=self._has_parts)
        self._interval_s = keyframe_interval_s
        self._runs = 0
        self._muxer: Muxer | None = None
        self._version = -1  # of the tracks of the run
        self._restraint = Restraint()
        self._failed_version = -1  # of tracks that no muxer takes
        self._fault: str | None = None  # why the last run failed
        self._left_out = 0  # frames before the newest run began
        self._is_new_encoder = False
        self._held = Held()  # until a run starts
        self._audio: deque[Packet] = deque()  # until the video has come as far
        self._run_tracks: dict[TagKind, Track] = {}
        self._reset_run()

    def _reset_run(self) -> None:
        self._map = ""
        self._has_video = False
        self._part_start = -1  # ms; -1: the run has no packet yet
        self._segment_start = 0
        self._is_independent = True
        self._video_time = 0  # of the newest video packet
        self._newest = 0  # of the newest packet
        self._frame_ms = FRAME_MS
        self._frames = 0
        self._first_frame = 0
        self._has_picture = False  # since the last fragment
        self._anchor = inf  # wall clock at time 0 of the run
        self._lateness = inf  # least of wall clock minus time in the segment
        self._is_anchored = False
        self._starts_discontinuity = self._runs > 0

    @property
    def fault(self) -> str | None:
        """Why nothing is packaged now; None: it is, or nothing came that could be."""
        is_packaged = self._muxer is not None
        return None if is_packaged else self._fault or self._packets.why_none(self._left_out)

    # ------------------------------------------------------------------ the sink

    def start(self, headers: Sequence[Tag]) -> None:
        self._put(self._packets.flush())
        self._end_run()
        self._packets.clear()
        self._held.clear()
        self._is_new_encoder = True
        for tag in headers:
            self._packets.packet(tag)

    def push(self, tag: Tag) -> None:
        if tag.is_sequence_header:
            self._put(self._packets.flush())
        self._put(self._packets.take(tag))

    def _put(self, packets: Sequence[Packet]) -> None:
        for packet in packets:
            try:
                if self._goes_on(packet):
                    self._sort(packet)
                else:
                    self._hold(packet)
            except MediaError as error:
                self._fail(error)

    def interrupt(self) -> None:
        """What is held is shown, so that players have all there is."""
        self._put(self._packets.flush())
        self._release_audio(inf)

    def resume(self) -> None:
        """Its media comes as tags."""

    def end(self) -> None:
        self._put(self._packets.flush())
        self._end_run()
        self.playlists.is_over = True
        self.playlists.target_s = self.playlists.target_s or self._needed_target()
        self._show()

    # ------------------------------------------------------------------ runs

    def _goes_on(self, packet: Packet) -> bool:
        """Say whether a packet belongs to the run; else to none, or to the next one."""
        if self._muxer is None or self._is_new_encoder or self._held.packets:
            return False
        if self._version != self._packets.version:
            # Sound that is new or another can wait for a keyframe, up to which the picture goes on.
            return self._has_video and self._is_of_run(VIDEO) and not packet.starts_gop
        if not self._has_video and packet.starts_gop:
            return False
        return -GAP_MS < packet.dts - self._newest < GAP_MS

    def _hold(self, packet: Packet) -> None:
        """Hold a packet back until it is clear which tracks the next run has; then start it."""
        tracks = self._packets.tracks
        if self._held.keep(tracks):
            self._restraint.forget()
        now = self._wall_clock()
        is_refused = self._failed_version == self._packets.version
        if is_refused or not self._restraint.may_begin(now):
            return
        held = self._held
        if held.packets and not -GAP_MS < packet.dts - held.packets[-1].dts < GAP_MS:
            held.clear()
        # A run with video begins at a keyframe.
        is_video_known = VIDEO in tracks
        if is_video_known and packet.kind is VIDEO and not held.has(VIDEO):
            if not packet.is_keyframe:
                return
            held.keep_from(packet.dts)
        held.add(packet, now)
        span = packet.dts - held.packets[0].dts
        has_video, has_audio = held.has(VIDEO), held.has(AUDIO)
        is_late = span >= WAIT_MS or held.is_full
        if has_video and (has_audio or is_late):
            self._start_run(has_video=True, has_audio=has_audio)
        elif has_audio and ((is_late and not is_video_known) or span >= ALONE_MS or held.is_full):
            self._start_run(has_video=False, has_audio=True)

    def _is_of_run(self, kind: TagKind) -> bool:
        """Say whether the run has this track as it is now."""
        known = self._packets.tracks.get(kind)
        return known is not None and known is self._run_tracks.get(kind)

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
        self._reset_run()
        self._anchor = anchor
        self._version = self._packets.version
        self._is_new_encoder = False
        self._has_video = has_video
        self._frame_ms = self._guess_frame(held)
        part_ms = self._part_ms()
        self._run_tracks = {kind: self._packets.tracks[kind] for kind in wanted}
        tracks = list(self._run_tracks.values())
        self._restraint.begin(self._wall_clock())
        try:
            self._muxer = Muxer(tracks, self._limits.container, part_ms)
        except MediaError as error:
            self._held.packets, self._held.anchor = held, anchor
            self._go_without(unusable(tracks, self._limits.container), error)
            return
        self.playlists.tracks = tuple(track.config for track in tracks)
        self._runs += 1
        self._fault, self._left_out = None, self._packets.left_out
        if self._has_parts and not self.playlists.part_target_s:
            self.playlists.part_target_s = floor((part_ms + 2) / FULLNESS) / 1000
        for packet in held:
            self._sort(packet)

    def _go_without(self, refused: Sequence[Track], error: MediaError) -> None:
        """Start a run of the tracks that FFmpeg takes alone, if it takes any."""
        if not refused or len(refused) == len(self._run_tracks):
            self._failed_version = self._packets.version
            raise error
        for track in refused:
            self._packets.refuse(track, str(error))
        self._held.keep(self._packets.tracks)
        self._start_run(has_video=self._held.has(VIDEO), has_audio=self._held.has(AUDIO))

    def _guess_frame(self, held: Sequence[Packet]) -> float:
        """Return how long a frame of the leading track lasts, ms."""
        kind = VIDEO if self._has_video else AUDIO
        rate = self._packets.tracks[kind].config.frame_rate
        if rate:
            return 1000 / rate
        times = [packet.dts for packet in held if packet.kind is kind]
        if len(times) > 1 and times[-1] > times[0]:
            return (times[-1] - times[0]) / (len(times) - 1)
        return FRAME_MS

    def _part_ms(self) -> int:
        """Return after how many ms the muxer ends a fragment: whole frames, below a part's."""
        if not self._has_parts:
            return 1000
        frames = max(1, floor(self._limits.part_s * 1000 / self._frame_ms + 0.05))
        return max(1, floor(frames * self._frame_ms) - 2)

    def _end_run(self) -> None:
        """Show what the muxer still holds, and end its segment."""
        muxer = self._muxer
        if muxer is None:
            return
        with suppress(MediaError):
            self._release_audio(inf)
        self._muxer = None
        newest = self._video_time if self._has_video else self._newest
        end = newest + round(self._frame_ms)
        kept = muxer.kept
        *before, last = muxer.finish()
        if kept is not None and kept.kind is VIDEO:
            # A picture in a fragment of its own is a part of its own, or one would be too long.
            for fragment in before:
                self._follow(muxer, fragment, kept)
        else:
            last = b"".join((*before, last))
        self._add_part(muxer, last, end)
        self._end_segment()

    # ------------------------------------------------------------------ packets in order

    def _sort(self, packet: Packet) -> None:
        """Write video as it comes, and audio when the video has come as far."""
        kind = packet.kind
        if not self._is_of_run(kind):
            return
        if not self._has_video:
            self._write(packet)
        elif kind is AUDIO:
            dts = packet.dts
            if not self._audio and dts <= self._video_time:
                self._write(packet)
                return
            self._audio.append(packet)
            self._release_audio(max(self._video_time, dts - AHEAD_MS))
        else:
            # Before the audio of the same time: a fragment is to end with a picture.
            self._write(packet)
            if self._audio:
                self._release_audio(packet.dts)

    def _release_audio(self, until: float) -> None:
        audio = self._audio
        while audio and audio[0].dts <= until and self._muxer is not None:
            self._write(audio.popleft())
        if self._muxer is None:
            audio.clear()

    def _write(self, packet: Packet) -> None:
        muxer = self._muxer
        assert muxer is not None
        dts = packet.dts
        is_video = packet.kind is VIDEO
        if is_video:
            self._video_time = dts
            self._frames += 1
        if self._part_start < 0:
            self._part_start = self._segment_start = self._first_frame = dts
            self._is_independent = packet.is_independent
        if is_video or not self._has_video:
            lateness = self._wall_clock() - dts / 1000
            if lateness < self._lateness:
                self._lateness = lateness
        try:
            if self._is_whole:
                self._write_whole(packet, dts)
                return
            fragment, written = muxer.write(packet)
        except BadPacketError as error:
            self._packets.leave_out(packet, str(error))
            return
        if dts > self._newest:
            self._newest = dts
        if written is not None and (fragment or written.kind is VIDEO):
            self._follow(muxer, fragment, written)

    def _follow(self, muxer: Muxer, fragment: bytes, written: Packet) -> None:
        """Take a fragment, if one ended; `written` is the first packet behind it."""
        is_video = written.kind is VIDEO
        is_start = written.is_keyframe and (is_video or not self._has_video)
        if fragment:
            self._add_part(muxer, fragment, written.dts)
            self._has_picture = False
            self._is_independent = is_start and written.is_independent
            self._cut(written.dts, is_keyframe=is_start)
        elif is_start and not self._has_picture and not self._is_independent:
            # The fragment before ended with audio, just before this keyframe.
            self._is_independent = written.is_independent
            self._cut(written.dts, is_keyframe=True)
        self._has_picture |= is_video

    def _write_whole(self, packet: Packet, dts: int) -> None:
        """MPEG-TS: a muxer for each segment, so that each begins with its tables."""
        muxer = self._muxer
        assert muxer is not None
        is_start = packet.is_keyframe and (packet.kind is VIDEO or not self._has_video)
        length = (dts - self._segment_start) / 1000
        if dts > self._segment_start and (
            (is_start and length >= self._goal_s())
            or length + 2 * self._frame_ms / 1000 > self._limit_s()
        ):
            self._add_part(muxer, b"".join(muxer.finish()), dts)
            self._end_segment()
            self._muxer = muxer = Muxer(list(self._run_tracks.values()), "mpegts")
        self._newest = max(self._newest, dts)
        muxer.write(packet)

    # ------------------------------------------------------------------ parts and segments

    def _add_part(self, muxer: Muxer, fragment: bytes, end: int) -> None:
        """Add a fragment that ends at a time, in ms."""
        if not fragment or self._part_start < 0:
            return
        if muxer.init and not self._map:
            self._map = self._window.add_init(self._runs - 1, muxer.init)
        duration = max(end - self._part_start, 0) / 1000
        first = Segment(
            "",
            0.0,
            min(self._anchor, self._lateness) + self._part_start / 1000,
            self._map,
            self._starts_discontinuity,
            (),
        )
        self._window.add_part(
            fragment, duration, is_independent=self._is_independent, segment=first
        )
        self._starts_discontinuity = False
        self._part_start = max(end, self._part_start)
        self._show()

    def _cut(self, now: int, *, is_keyframe: bool) -> None:
        """End the segment if the next part, which starts at `now`, should begin another."""
        length = (now - self._segment_start) / 1000
        if is_keyframe and length >= self._goal_s():
            self._end_segment()
            return
        if length + (self._part_ms() + self._frame_ms) / 1000 > self._limit_s():
            self._end_segment()

    def _end_segment(self) -> None:
        current = self._window.current
        if current is None:
            return
        if not self.playlists.target_s:
            self.playlists.target_s = self._needed_target()
        self._set_anchor()
        self._lateness = inf
        self._window.date(self._anchor + self._segment_start / 1000)
        self._window.end_segment(lists_parts=self._has_parts)
        self._segment_start = self._part_start
        self._show()

    def _set_anchor(self) -> None:
        """Map times to the wall clock, with the first segment of a run and when clocks drift."""
        if not self._is_anchored:
            # What came in one go when packaging began came late: the newest says what is now.
            self._anchor = min(self._lateness, self._anchor)
            self._is_anchored = True
        elif DRIFT_S < abs(self._lateness - self._anchor) < inf:
            self._anchor = self._lateness

    def _goal_s(self) -> float:
        """Return how long a segment should be; keyframes come a few frames sooner or later."""
        wanted = min(self._limits.segment_s, self.playlists.target_s or inf)
        return 0.95 * wanted - self._frame_ms / 1000

    def _limit_s(self) -> float:
        """Return how long a segment may be."""
        if self.playlists.target_s:
            return self.playlists.target_s + SLACK_S
        return ceil(self._limits.longest_s) + SLACK_S

    def _needed_target(self) -> int:
        """Decide the target duration, with the first segment about to end."""
        current = self._window.current
        length = current.duration if current is not None else 0.0
        needed = max(length, self._limits.segment_s)
        if self._interval_s and self._has_video:
            whole = ceil(self._limits.segment_s / self._interval_s - 0.05) * self._interval_s
            needed = max(needed, min(whole, self._limits.longest_s))
        return max(1, ceil(needed - SLACK_S))

    def _show(self) -> None:
        self.playlists.change(self._frames, self._video_time - self._first_frame)
        self._changed()
