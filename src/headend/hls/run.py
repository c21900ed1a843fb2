"""One run of a packager: media of one publisher with unchanged tracks, cut into parts and segments.

    packet ─► order of time ─► holes closed ─► cut ─► part ─► segment ─► store

What a playlist says is a promise: a segment is no longer than TARGETDURATION, a part no longer than
PART-TARGET and no shorter than most of it, and a part is called independent if it begins with a
keyframe. Cuts are made by what is left of each promise, before the packet that would break it. A
part may end between two packets. A segment begins with a keyframe, except where that comes later
than the segment before could wait for it.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil, floor, inf
from typing import Final

from headend.codec.package import BadPacketError, Muxer, Packet, Track, init_of
from headend.errors import MediaError
from headend.hls.fill_in import STILL_MS, FillIn
from headend.hls.order import PATIENCE_MS, Order
from headend.hls.shelf import SLACK_S, Shelf
from headend.hls.store_port import Init, MediaPart
from headend.media.fragment import Fragments, Sample
from headend.media.silence import Silence, silence_of
from headend.media.tag import AUDIO, VIDEO, TagKind

FULLNESS: Final = 0.85  # a part is no shorter than so much of the part target (8216bis, 4.4.4.9)
DRIFT_S: Final = 2.0  # by how much dates may be off before they are corrected
FRAME_MS: Final = 40.0  # of video whose rate nobody knows
SOUND_MS: Final = 23.0  # of sound whose rate nobody knows
LONGEST_SOUND_MS: Final = 500  # a longer one is a pause behind a sound
LARGE: Final = "a segment is larger than hls.bytes; set a shorter keyframe interval"
# Segments in a row that begin between two keyframes: players go on, and new ones wait for the next.
MOST_BORROWED: Final = 2
HOLE_MS: Final = 1_000  # of media without parts: a frame that lasts longer is a hole


@dataclass
class _Times:
    """Where a track stands, ms."""

    last: int | None = None
    step: float = FRAME_MS
    samples: list[Sample] = field(default_factory=list)


class Run:
    """One run of a packager.

    Attributes:
        tracks: Its tracks, by kind.
        over: Why no media can follow under the promises made to players; None: it can.
        is_ended: It takes no more packets.
        fill_in: What stands in for a track that pauses or does not come.
        is_stuck: The picture stands, and the segment can't wait for a keyframe any longer.
    """

    def __init__(
        self,
        shelf: Shelf,
        tracks: dict[TagKind, Track],
        held: Sequence[Packet],
        anchor: float,
        silence: Silence | None = None,
        still: Packet | None = None,
    ) -> None:
        """Begin a run.

        Args:
            shelf: Shared with the other runs of the packager.
            tracks: At most one of each kind.
            held: Its first packets, in order of time; the caller pushes them next.
            anchor: Wall clock at time 0 of the media.
            silence: Stands in for the sound, which does not come.
            still: Stands in for the picture, which does not come, and is the first packet.

        Raises:
            MediaError: FFmpeg takes no such tracks.
        """
        self._shelf = shelf
        self.tracks = tracks
        self.over: str | None = None
        self.is_stuck = self.is_ended = False
        self._lead = VIDEO if VIDEO in tracks else AUDIO
        start = next(packet.dts for packet in held if packet.kind is self._lead)
        self._order = Order(tracks, start)
        spare = silence_of(tracks[AUDIO].config) if len(tracks) > 1 else None
        self.fill_in = FillIn(silence, spare, still, start)
        self._times = {kind: _Times(step=self._step(kind, held)) for kind in tracks}
        if still is not None:
            self._times[VIDEO].step = STILL_MS
        limits = shelf.limits
        self._muxer: Muxer | None = None
        self._fragments: Fragments | None = None
        init = b""
        if limits.container == "fmp4":
            init = init_of(list(tracks.values()), held)
            self._fragments = Fragments(init)
        else:
            self._muxer = Muxer(list(tracks.values()), limits.container)
        shelf.store.add_init(Init(init, tuple(track.config for track in tracks.values())))
        if shelf.runs:
            shelf.store.discontinuity()
        shelf.runs += 1
        if limits.has_parts and not shelf.part_target_s:
            shelf.promise(part_target_s=self._part_target(held))
        self._target_ms = 1000 * shelf.part_target_s or inf
        self._shift = self._segment_shift = 0  # ms of holes that were closed
        self._part_start = self._segment_start = start
        self._last = start  # of all packets
        self._is_begun = False  # the segment has a part
        self._is_empty = True
        self._is_independent = False
        self._key: int | None = None  # time of the newest keyframe
        self._borrowed = 0  # segments since then, this one too
        self._bytes = 0  # of the segment
        self._frames = 0  # pictures of the part
        self._anchor = anchor
        self._lateness = inf  # least of wall clock minus time in the segment
        self._is_anchored = False

    def _step(self, kind: TagKind, held: Sequence[Packet]) -> float:
        """Return how long a frame lasts, ms."""
        times = [packet.dts for packet in held if packet.kind is kind]
        if len(times) > 1 and times[-1] > times[0]:
            return (times[-1] - times[0]) / (len(times) - 1)
        rate = self.tracks[kind].config.frame_rate
        return (1000 / rate if rate else FRAME_MS) if kind is VIDEO else SOUND_MS

    def _part_target(self, held: Sequence[Packet]) -> float:
        """Decide the part target: whole frames, which fill most of it."""
        wanted = self._shelf.limits.part_s * 1000
        step = self._times[self._lead].step
        if len(self.tracks) > 1 and step > wanted:
            step = self._times[AUDIO].step  # it can end with a sound
        times = [packet.dts for packet in held if packet.kind is self._lead]
        longest = max((b - a for a, b in pairwise(times)), default=0)
        frames = max(1, floor(wanted / step + 0.05))
        needed = frames * step - 1
        if len(self.tracks) == 1:
            needed = max(needed, longest)
        return max(1, floor(needed / FULLNESS)) / 1000

    # ------------------------------------------------------------------ packets

    def push(self, packet: Packet) -> None:
        """Take a packet of one of its tracks.

        Raises:
            MediaError: FFmpeg has given up.
        """
        if self.fill_in.has_filled(packet):
            return
        self._order.add(packet)
        self.fill_in.fill(self._order, packet.dts)
        if packet.kind is self._lead:
            self._lateness = min(self._lateness, self._shelf.wall_clock() - packet.dts / 1000)
        for each in self._order.ready():
            if not self.is_ended:
                self._take(each)

    def flush(self) -> None:
        """Take the packets that wait for the other track."""
        for each in self._order.drain():
            if not self.is_ended:
                self._take(each)

    def end(self) -> None:
        """End the run, with all packets that have come."""
        with suppress(MediaError):
            self.flush()
        times = self._times[self._lead]
        end = max((times.last or 0) + max(1, round(times.step)), self._last + 1)
        self._end_both(end, None)

    @property
    def is_loose(self) -> bool:
        """The run goes on for the archive alone, to which nothing was promised."""
        return self._shelf.is_loose

    def silent_ms(self, kind: TagKind) -> int:
        """Return how far the other track has come since this one came last."""
        return self._order.silent_ms(kind)

    def is_near(self, dts: int, gap_ms: int) -> bool:
        """Say whether a time is where its tracks are, or at most so far from it."""
        newest = self._order.newest.values()
        return min(newest) - gap_ms < dts < max(newest) + gap_ms

    # ------------------------------------------------------------------ cutting

    def _take(self, packet: Packet) -> None:
        """Take the next packet in order of time, behind a cut if there is to be one."""
        kind = packet.kind
        is_lead = kind is self._lead
        is_start = is_lead and packet.is_keyframe
        now = self._close_hole(packet.dts - self._shift)
        is_first = self._is_empty and self._key is None
        if is_start:
            self._note_keyframe(now)
        if is_first:
            self._is_independent = packet.is_independent
        elif not self._cut(packet, now, is_start=is_start):
            return
        self._bytes += len(packet.payload)
        if self._bytes > self._shelf.limits.max_bytes and not self._goes_on(now, packet, LARGE):
            return
        times = self._times[kind]
        if times.last is not None:
            now_or_later = max(now, times.last + 1)
            if 0 < now_or_later - times.last <= HOLE_MS:
                times.step = now_or_later - times.last
            now = now_or_later
        times.last = now
        self._last = max(self._last, now)
        self._frames += kind is VIDEO
        self._is_empty = False
        self._write(packet, now)

    def _write(self, packet: Packet, now: int) -> None:
        pts = now + packet.pts - packet.dts
        if self._muxer is None:
            sample = Sample(now, pts, 0, packet.is_keyframe, packet.payload)
            self._times[packet.kind].samples.append(sample)
            return
        try:
            self._muxer.write(packet._replace(dts=now, pts=pts))
        except BadPacketError as error:
            self._shelf.left_out(packet, str(error))

    def _close_hole(self, now: int) -> int:
        """Leave out time in which no track has anything, where a promise has no room for it."""
        quiet = now - self._last
        length = (now - self._segment_start) / 1000
        is_hole = quiet > self._target_ms or (quiet > HOLE_MS and length > self._limit_s())
        if self._is_empty or not is_hole:
            return now
        end = self._last + max(1, floor(min(self._times[self._lead].step, self._target_ms, quiet)))
        self._shift += now - end
        return end

    def _note_keyframe(self, now: int) -> None:
        if self._key is not None and self._lead is VIDEO and self.fill_in.still is None:
            shelf, interval = self._shelf, (now - self._key) / 1000
            shelf.interval_s = max(shelf.interval_s, interval)
            shelf.least_interval_s = min(shelf.least_interval_s, interval)
        self._key = now

    def _cut(self, packet: Packet, now: int, *, is_start: bool) -> bool:
        """Cut before a packet, where it is time; false: nothing can follow."""
        length = (now - self._segment_start) / 1000
        limit = self._limit_s()
        is_due = self._borrowed or length >= self._goal_s() or length + self._gop_s() > limit
        if is_start and is_due:
            self._fill_parts(now, packet)
            self._end_part(now, packet, is_last=True)
            self._end_segment()
            self._is_independent = packet.is_independent
            self._borrowed = 0
            return True
        if length + self._times[packet.kind].step / 1000 > limit and not is_start:
            lead = self._times[self._lead]
            is_late = now - (lead.last or now) > min(3 * lead.step, PATIENCE_MS[VIDEO])
            if self._lead is VIDEO and is_late:
                self.is_stuck = self.is_ended = True
                return False
            if self._may_borrow(now):
                self._end_both(now, packet)
                self._borrowed += 1
                self._is_independent = False
                return True
            return self._goes_on(now, packet, self._too_rare())
        if self._shelf.limits.has_parts:
            self._fill_parts(now, packet)
            part = now - self._part_start
            if part >= FULLNESS * self._target_ms and self._next_end(packet, now) > (
                self._part_start + self._target_ms
            ):
                self._end_part(now, packet)
                self._is_independent = is_start and packet.is_independent
        return True

    def _may_borrow(self, now: int) -> bool:
        """Say whether the next segment may begin between two keyframes."""
        assert self._key is not None
        apart, shelf = (now - self._key) / 1000, self._shelf
        if shelf.target_s and apart <= shelf.limits.longest_s and self._borrowed < MOST_BORROWED:
            return True
        shelf.interval_s = max(shelf.interval_s, apart)  # what packages next makes room for it
        return False

    def _goes_on(self, now: int, packet: Packet, reason: str) -> bool:
        """Break a promise before a packet; true: the packet follows, for the archive alone."""
        self.over = reason
        if self.is_loose:
            self.over = "a part is larger than hls.bytes"
        if self.is_loose or self._shelf.archive.is_empty:
            self.is_ended = True
            return False
        self._end_both(now, packet)
        self._shelf = self._shelf.loose()
        self._bytes = len(packet.payload)
        self._is_independent = packet.is_keyframe and packet.is_independent
        return True

    def _fill_parts(self, now: int, packet: Packet) -> None:
        """End the part where the promise of its length ends, before a packet that is behind it."""
        if now - self._part_start > self._target_ms:
            self._end_part(self._part_start + floor(self._target_ms), packet)
            self._is_independent = False

    def _next_end(self, packet: Packet, now: int) -> float:
        """Return when the next frame of the leading track begins: a part should end there."""
        following = self._order.following(self._lead)
        if following is not None:
            return following - self._shift
        times = self._times[self._lead]
        last = now if packet.kind is self._lead else times.last
        expected = (last if last is not None else now) + times.step
        return expected if expected > now else inf

    def _too_rare(self) -> str:
        longest = self._shelf.limits.longest_s
        if not self._shelf.target_s:
            seldom = f"keyframes come more than {longest:g} s apart (hls.longest_s)"
            return f"{seldom}; HLS needs one every 2 s"
        if self._borrowed < MOST_BORROWED:
            return f"no keyframe came for {longest:g} s (hls.longest_s)"
        return (
            "keyframes come much further apart than before, and than the playlist has promised "
            f"({self._limit_s():.1f} s); set a fixed keyframe interval"
        )

    def _goal_s(self) -> float:
        """Return how long a segment should be; keyframes come a little sooner or later."""
        target = 0 if self.is_loose else self._shelf.target_s
        wanted = min(self._shelf.limits.segment_s, target or inf)
        return 0.95 * wanted - min(self._times[self._lead].step, FRAME_MS) / 1000

    def _gop_s(self) -> float:
        return self._shelf.interval_s if self._lead is VIDEO else self._times[AUDIO].step / 1000

    def _limit_s(self) -> float:
        """Return how long a segment may be."""
        if self.is_loose:
            return inf
        target = self._shelf.target_s
        return (target or ceil(self._shelf.limits.longest_s)) + SLACK_S

    # ------------------------------------------------------------------ parts and segments

    def _end_both(self, end: int, packet: Packet | None) -> None:
        """End part and segment before a packet, within what is promised of both."""
        limit = self._segment_start + 1000 * self._limit_s()
        promised = self._part_start + min(self._target_ms, limit)
        end = floor(max(min(end, limit, promised), self._part_start + 1))
        self._end_part(end, packet, is_last=True)
        self._end_segment()

    def _end_part(self, end: int, packet: Packet | None, *, is_last: bool = False) -> None:
        """End the part, or the whole segment of MPEG-TS, before a packet."""
        if self._is_empty:
            return
        if self._muxer is not None:
            body = b"".join(self._muxer.finish())
            self._muxer = Muxer(list(self.tracks.values()), "mpegts")
        else:
            body = self._fragment(packet)
        self._is_empty = True
        start, self._part_start = self._part_start, end
        frames, self._frames = self._frames, 0
        if self.is_loose:
            self._bytes = 0
        if not body:
            return
        if not self._is_begun:
            self._is_begun = True
            self._shelf.store.date(self._date(min(self._anchor, self._lateness)))
        self._shelf.store.add_part(
            MediaPart(
                body, start / 1000, (end - start) / 1000, self._is_independent, frames, is_last
            )
        )

    def _date(self, anchor: float) -> float:
        """Return when the first frame of the segment was sent, Unix seconds."""
        return anchor + (self._segment_start + self._segment_shift) / 1000

    def _fragment(self, packet: Packet | None) -> bytes:
        assert self._fragments is not None
        samples: dict[TagKind, list[Sample]] = {}
        for kind, times in self._times.items():
            made, times.samples = times.samples, []
            following = self._order.following(kind)
            if packet is not None and packet.kind is kind:
                following = packet.dts
            ends = [each.dts for each in made[1:]]
            if made:
                last = made[-1].dts
                end = last + round(times.step) if following is None else following - self._shift
                if kind is AUDIO and end - last > LONGEST_SOUND_MS:
                    end = last + round(times.step)
                ends.append(max(end, last + 1))
            samples[kind] = [
                each._replace(duration=end - each.dts) for each, end in zip(made, ends, strict=True)
            ]
        return self._fragments.write(samples)

    def _end_segment(self) -> None:
        if not self._is_begun:
            return
        self._is_begun = False
        if not self._shelf.target_s:
            length = (self._part_start - self._segment_start) / 1000
            needed = self._shelf.needed_target(length, has_video=self._lead is VIDEO)
            self._shelf.promise(target_s=needed)
        self._set_anchor()
        self._lateness = inf
        self._shelf.store.date(self._date(self._anchor))
        self._shelf.store.end_segment()
        self._segment_start, self._segment_shift = self._part_start, self._shift
        self._bytes = 0

    def _set_anchor(self) -> None:
        """Map times to the wall clock, with the first segment of a run and when clocks drift."""
        if not self._is_anchored:
            # What came in one go when packaging began came late: the newest says what is now.
            self._anchor = min(self._lateness, self._anchor)
            self._is_anchored = True
        elif DRIFT_S < abs(self._lateness - self._anchor) < inf:
            self._anchor = self._lateness
