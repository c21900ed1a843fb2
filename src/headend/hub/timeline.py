"""One timeline for one stream, whatever the clocks of its publishers do.

Timestamps of a sound publisher pass unchanged, the wrap at 2**32 included. A fault is repaired by
an offset, never by cutting the stream, and counted:

    received   5000  5033 |    0    33    66        the publisher's clock starts again
    offset        0     0 |    0  5053  5053        kept until the next fault
    sent       5000  5033 | 5034  5086  5119        goes on from the newest timestamp sent

A new time is believed when the second message of a track confirms it. The first is sent just behind
the newest of its track, and moves nothing but itself:

    received   5000  5033  0 5066  5099             a stray message
    sent       5000  5033 5034 5066 5099

A longer step forward is a silence: it needs no second message if as much time has passed, or if the
track goes in such steps. Sequence headers are not mapped at all: see `header_time`.

Audio and video have an offset each, because they reach a fault at different messages. The track
that comes second takes the offset of the first when that makes its timestamp fit: so one jump is
repaired once, and the distance of audio and video stays what the publisher says. All tracks of a
kind share one clock, which the lowest of them tells: the others move with it, and may be somewhat
before or behind it.

Source: docs/protocol.md, timestamps.
"""

from enum import StrEnum
from typing import Final

from headend.media.tag import AUDIO, VIDEO, TagKind

MASK: Final = 0xFFFF_FFFF
HALF: Final = 0x8000_0000  # OBS masks to 31 bits: its clock goes from 7fffffff to 0 after 24.8 days

# ms. A longer step forward is a fault: a publisher that is silent for limits.publisher_silence_s
# (20) is closed, so no honest silence is longer. Shorter ones stay, or a stream of few pictures
# would be falsified.
GAP_MS: Final = 30_000
STEADY_MS: Final = 100  # a step forward up to here is believed at once: 10 pictures a second do it
DISORDER_MS: Final = 250  # a step back up to here is disorder: PTS of reordered pictures, jitter
CLAMP_MS: Final = 1_000  # and up to here it is the clock's only if no other track contradicts
CONFIRM_MS: Final = 1_000  # from a doubtful message to the one that confirms it, at most
DOUBTS: Final = 3  # in a row, and the next message is believed if it goes on from any of them
APART_MS: Final = 10_000  # audio and video are sent at most seconds apart; beyond it clocks differ
APART_CONFIRM_MS: Final = 2_000  # of progress of both tracks, before one that lags is pulled up
NEGATIVE_MS: Final = 10_000  # a first timestamp this close below 2**32 is a negative one
STEP_MS: Final = 20  # from the newest timestamp sent to the first after a repair: about one frame
# A track that ended long ago is taken along, or it would seem to be ahead after 24.8 days.
STALE_MS: Final = 1 << 30


class Repair(StrEnum):
    """Why a timestamp was changed."""

    BACKWARD_STEP = "backward_step"  # up to 1 s back: clamped; counted for each message
    BACKWARD_JUMP = "backward_jump"  # the clock was started again
    FORWARD_JUMP = "forward_jump"
    STRAY = "stray"  # one message that no other confirmed
    WRAP_31 = "wrap_31"
    APART = "apart"  # audio and video ran on different clocks
    NEGATIVE = "negative"  # the first timestamps were below 0


class _Track:
    """Where audio or video stands.

    Attributes:
        last: Timestamp received that belongs to the newest one sent.
        limit: Up to here the next timestamp passes at once; -1: look at it more closely.
        offset: sent = received + offset, modulo 2**32.
        previous: The offset before: a stray run of messages returns to it.
        at: When the last message came, seconds.
        step: The last step forward that was looked at, ms.
        is_begun: Something was sent since the last restart.
        has_sent: Something was sent.
        apart_from: (own, other's) sent when found apart.
        doubt: Timestamp of the message before, if it was doubtful.
        doubts: How many in a row were.
        base: What a doubtful message is to be sent at if the next confirms it and it is a jump.
    """

    __slots__ = (
        "apart_from",
        "at",
        "base",
        "doubt",
        "doubts",
        "has_sent",
        "is_begun",
        "last",
        "limit",
        "offset",
        "previous",
        "step",
    )

    def __init__(self) -> None:
        self.last = 0
        self.limit = -1
        self.offset = 0
        self.previous = 0
        self.at = 0.0
        self.step = 0
        self.is_begun = False
        self.has_sent = False
        self.apart_from: tuple[int, int] | None = None
        self.doubt: int | None = None
        self.doubts = 0
        self.base = 0

    @property
    def sent(self) -> int:
        return (self.last + self.offset) & MASK

    def after(self, timestamp: int, offset: int) -> int:
        """By how many ms `timestamp` would be sent after the newest one sent."""
        return _signed(timestamp + offset - self.last - self.offset)

    @property
    def is_back(self) -> bool:
        """The last message stepped back by more than disorder makes, and up to a second."""
        return (
            self.doubt is not None and -CLAMP_MS <= _signed(self.doubt - self.last) < -DISORDER_MS
        )

    def shift(self, by: int) -> None:
        """Send what comes `by` ms later than before; what was sent stays."""
        self.offset = (self.offset + by) & MASK
        self.last = (self.last - by) & MASK
        self.limit = -1
        self.forget_doubt()

    def forget_doubt(self) -> None:
        self.doubt = None
        self.doubts = 0


class Timeline:
    """Maps the timestamps of a stream's publishers to those of the stream.

    What is sent never goes back within the lowest track of a kind, in the sense of serial numbers
    of 32 bits.

    Attributes:
        now: When what is mapped came, monotonic seconds; set it before. It tells a silence from a
            stray message.
        repairs: How often each fault was repaired since the stream began.
        reordered: How many pictures of this publisher had a time before that of the last one.
    """

    def __init__(self, gap_ms: int = GAP_MS, steady_ms: int = STEADY_MS) -> None:
        """Start a timeline at the first timestamp that comes.

        Args:
            gap_ms: Longest step forward that is kept as it is; longer than any silence a publisher
                survives, or real silences are cut.
            steady_ms: Longest step forward that is believed at once. A source that comes faster
                than real time and has no stray messages, such as HLS, has a long one.
        """
        self.now = 0.0
        self.repairs: Final = dict.fromkeys(Repair, 0)
        self.reordered = 0
        self._gap_ms: Final = gap_ms
        self._steady_ms: Final = steady_ms
        self._audio: Final = _Track()
        self._video: Final = _Track()
        self._beside: Final[dict[tuple[TagKind, int], int]] = {}  # last received of other tracks
        self._script_sent: int | None = None

    def map(self, kind: TagKind, timestamp: int) -> int:
        """Give the stream's timestamp for a message, in ms, 0 to 2**32 - 1; mostly the same one."""
        # Hot path: once for every message.
        if kind is VIDEO:
            track = self._video
        elif kind is AUDIO:
            track = self._audio
        else:
            return self._map_script(timestamp)
        if track.last <= timestamp <= track.limit:
            track.last = timestamp
            track.limit = timestamp + self._steady_ms
            track.at = self.now
            offset = track.offset
            return (timestamp + offset) & MASK if offset else timestamp
        return self._review(track, self._audio if kind is VIDEO else self._video, timestamp)

    def map_beside(self, kind: TagKind, track_id: int, timestamp: int) -> int:
        """Give the timestamp for a message of another track than the lowest of its kind."""
        track, other = self._pair(kind)
        newest = self._newest()
        if newest is None or not track.is_begun:
            return self.map(kind, timestamp)
        last = self._beside.get((kind, track_id))
        self._beside[kind, track_id] = timestamp
        sent = (timestamp + track.offset) & MASK
        ahead = _signed(sent - newest)
        goes_on = last is not None and abs(_signed(timestamp - last)) <= CLAMP_MS
        if abs(ahead) > CLAMP_MS and not goes_on:
            self.repairs[Repair.STRAY] += 1
            return newest
        if ahead > APART_MS:  # the lowest track is over
            return self._send(track, other, timestamp, track.offset)
        if ahead < -APART_MS:
            self.repairs[Repair.APART] += 1
            return newest
        return sent

    def header_time(self, kind: TagKind, timestamp: int) -> int:
        """Give the timestamp for a sequence header: that of the newest frame, of its kind first.

        Encoders send headers with any time, 0 above all, when they start and again at keyframes;
        they say nothing of the clock.
        """
        track, _ = self._pair(kind)
        newest = track.sent if track.has_sent else self._newest()
        if newest is not None:
            return newest
        return 0 if timestamp > MASK - NEGATIVE_MS else timestamp

    def review(self) -> None:
        """Look at the next message of each track more closely; to be called once in a while.

        It is then that tracks which drift apart are noticed.
        """
        self._audio.limit = self._video.limit = -1

    def restart(self) -> None:
        """Expect a publisher, the first or the next; its clock is unrelated to the last one's.

        Its first timestamp is sent just after the newest one sent; all tracks move by one offset.
        """
        self._beside.clear()
        self.reordered = 0
        self.review()
        for track in (self._audio, self._video):
            track.is_begun = False
            track.apart_from = None
            track.forget_doubt()

    def _pair(self, kind: TagKind) -> tuple[_Track, _Track]:
        """Return the track of a kind, and the other one."""
        return (self._video, self._audio) if kind is VIDEO else (self._audio, self._video)

    def _review(self, track: _Track, other: _Track, timestamp: int) -> int:
        if not track.is_begun:
            return self._begin(track, other, timestamp)
        step = _signed(timestamp - track.last)
        if self._is_sound(track, timestamp, step):
            if track.doubt is not None and not track.is_back:
                self.repairs[Repair.STRAY] += 1
                if track is self._video and 0 < _signed(track.doubt - timestamp) <= CLAMP_MS:
                    self.reordered += 1
            track.step = step
            self._send(track, other, timestamp, track.offset)
            self._keep_together(track, other)
            return track.sent
        offset = self._known_offset(track, other, timestamp, step)
        if offset is not None:
            return self._send(track, other, timestamp, offset)
        if self._is_confirmed(track, timestamp):
            return self._believe(track, other, timestamp, step)
        return self._doubt(track, timestamp, step)

    def _begin(self, track: _Track, other: _Track, timestamp: int) -> int:
        """First message of a track since the restart."""
        newest = self._newest()
        if newest is None:
            offset = 0
            if timestamp > MASK - NEGATIVE_MS:
                self.repairs[Repair.NEGATIVE] += 1
                offset = -timestamp
        elif not other.is_begun:
            offset = newest + STEP_MS - timestamp
        elif abs(other.after(timestamp, other.offset)) > APART_MS:
            self.repairs[Repair.APART] += 1
            offset = newest + STEP_MS - timestamp
        else:
            behind = self._behind(track, other, timestamp)
            other.offset = (other.offset + behind) & MASK
            offset = other.offset
        track.step = 0
        sent = self._send(track, other, timestamp, offset)
        track.previous = track.offset  # nothing of the last publisher's clock is left
        return sent

    def _behind(self, track: _Track, other: _Track, timestamp: int) -> int:
        """By how much both tracks must move up for `track` to begin with the offset of `other`."""
        if track.has_sent:
            return max(0, -track.after(timestamp, other.offset))
        sent = (timestamp + other.offset) & MASK
        if other.after(timestamp, other.offset) < 0 and sent > other.sent:  # below 0
            self.repairs[Repair.NEGATIVE] += 1
            return MASK + 1 - sent
        return 0

    # ------------------------------------------------------------------ what is believed

    def _believable(self, track: _Track) -> int:
        """Return the longest step forward that needs no second message, ms."""
        passed = int(1500 * (self.now - track.at))  # networks are uneven
        return max(self._steady_ms + passed, 2 * track.step)

    def _is_sound(self, track: _Track, timestamp: int, step: int) -> bool:
        """Say whether a step goes on as the track went, or is a silence that was waited for."""
        if not 0 <= step <= self._believable(track):
            return False
        return step <= self._gap_ms or not self._is_ahead(timestamp, track.offset)

    def _is_ahead(self, timestamp: int, offset: int) -> bool:
        """Say whether a message would be sent long after the newest of all."""
        return _signed(timestamp + offset - (self._newest() or 0)) > APART_MS

    def _known_offset(self, track: _Track, other: _Track, timestamp: int, step: int) -> int | None:
        """Return another offset that is known and makes a timestamp fit; None: there is none."""
        if 0 <= _signed(step + HALF) <= self._believable(track):
            offset = (track.offset + HALF) & MASK
            if not (other.is_begun and other.offset == offset):
                self.repairs[Repair.WRAP_31] += 1
            return offset
        if -DISORDER_MS <= step < 0:
            return None
        # The other's: that one has jumped before. The previous: this track is back from several
        # stray messages, or this message is late and from before a wrap.
        for offset in (other.offset, track.previous):
            fits = track.after(timestamp, offset) >= -CLAMP_MS
            if offset != track.offset and fits and not self._is_ahead(timestamp, offset):
                return offset
        return None

    def _is_confirmed(self, track: _Track, timestamp: int) -> bool:
        """Say whether a timestamp goes on from the doubtful one before it."""
        if track.doubt is None:
            return False
        most = self._gap_ms if track.doubts >= DOUBTS else CONFIRM_MS
        return 0 < _signed(timestamp - track.doubt) <= max(most, self._believable(track))

    def _believe(self, track: _Track, other: _Track, timestamp: int, step: int) -> int:
        """Take over a time that two messages have told."""
        assert track.doubt is not None
        first = _signed(track.doubt - track.last)
        if track.is_back:
            if other.is_begun and not other.is_back:
                return self._doubt(track, timestamp, step)
            self.repairs[Repair.BACKWARD_JUMP] += 1
            other.shift(STEP_MS - first)
            track.shift(STEP_MS - first)
            return self._send(track, other, timestamp, track.offset)
        track.step = _signed(timestamp - track.doubt)
        is_silence = first <= self._gap_ms or not self._is_ahead(timestamp, track.offset)
        if first >= 0 and is_silence:
            return self._send(track, other, timestamp, track.offset)
        self.repairs[Repair.BACKWARD_JUMP if first < 0 else Repair.FORWARD_JUMP] += 1
        return self._send(track, other, timestamp, track.base - track.doubt)

    def _doubt(self, track: _Track, timestamp: int, step: int) -> int:
        """Send a message just behind the newest of its track, until the next one confirms it."""
        if timestamp == track.doubt:  # a picture in several messages
            return track.sent
        if track.doubt is not None and not track.is_back:
            self.repairs[Repair.STRAY] += 1
        if -CLAMP_MS <= step < 0:
            self.repairs[Repair.BACKWARD_STEP] += 1
            self.reordered += track is self._video
        if -DISORDER_MS <= step < 0:
            track.forget_doubt()
            return track.sent
        track.base = (self._newest() or 0) + STEP_MS
        if not -CLAMP_MS <= step < 0:
            track.last = (track.last + 1) & MASK
        track.doubt = timestamp
        track.doubts += 1
        track.limit = -1
        return track.sent

    def _keep_together(self, track: _Track, other: _Track) -> None:
        """Pull up a track that lags far behind the other for a while, though both go on."""
        lag = _signed(other.sent - track.sent)
        if lag <= APART_MS or not other.is_begun:
            track.apart_from = None
        elif track.apart_from is None:
            track.apart_from = track.sent, other.sent
        else:
            own, others = track.apart_from
            progress = min(_signed(track.sent - own), _signed(other.sent - others))
            if progress >= APART_CONFIRM_MS:
                self.repairs[Repair.APART] += 1
                track.apart_from = None
                self._send(track, other, track.last, track.offset + lag)

    def _send(self, track: _Track, other: _Track, timestamp: int, offset: int) -> int:
        """Go on from `timestamp`, or from the newest sent where that would go back."""
        if track.has_sent and (behind := -track.after(timestamp, offset)) > 0:
            timestamp = (timestamp + behind) & MASK
        offset &= MASK
        if offset != track.offset:
            track.previous = track.offset
            track.offset = offset
        track.last = timestamp
        track.limit = timestamp + self._steady_ms
        track.at = self.now
        track.forget_doubt()
        track.is_begun = track.has_sent = True
        if other.has_sent and _signed(track.sent - other.sent) > STALE_MS:
            other.last = (track.sent - STALE_MS // 2 - other.offset) & MASK
        return track.sent

    def _map_script(self, timestamp: int) -> int:
        """Put a script tag where it belongs when it fits its neighbours, and beside them if not."""
        newest = self._newest()
        lead = self._video if self._video.is_begun else self._audio
        sent = (timestamp + lead.offset) & MASK
        if newest is not None and not (lead.is_begun and abs(_signed(sent - newest)) <= CLAMP_MS):
            sent = newest
        last = self._script_sent
        if last is not None and 0 < _signed(last - sent) <= APART_MS:
            sent = last
        self._script_sent = sent
        return sent

    def _newest(self) -> int | None:
        """Newest timestamp sent on any track; None before the first."""
        audio, video = self._audio, self._video
        if audio.has_sent and video.has_sent:
            return audio.sent if _signed(audio.sent - video.sent) > 0 else video.sent
        if audio.has_sent:
            return audio.sent
        return video.sent if video.has_sent else None


def _signed(ms: int) -> int:
    """Return a difference of two timestamps, modulo 2**32, as -2**31 to 2**31 - 1."""
    return ((ms + HALF) & MASK) - HALF
