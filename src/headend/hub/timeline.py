"""This module gives one stream one timeline, whatever the clocks of its publishers do.

Timestamps of a sound publisher pass unchanged, the wrap at 2**32 included. A fault is repaired by
an offset, never by cutting the stream, and counted:

    received   5000  5033 |    0    33    66        the publisher's clock starts again
    offset        0     0 | 5053  5053  5053        kept until the next fault
    sent       5000  5033 | 5053  5086  5119        goes on from the newest timestamp sent

Audio and video have an offset each, because they reach a fault at different messages. The track
that comes second takes the offset of the first when that makes its timestamp fit: so one jump is
repaired once, and the distance of audio and video stays what the publisher says.

No clock is read here, so a step forward is told from a silence by its size alone: see GAP_MS.
All tracks of a kind share one clock, which the lowest of them tells: the others move with it, and
may be somewhat before or behind it.

Source: docs/protocol.md, timestamps.
"""

from enum import StrEnum
from typing import Final

from headend.media.tag import AUDIO, VIDEO, TagKind

MASK: Final = 0xFFFF_FFFF
HALF: Final = 0x8000_0000  # OBS masks to 31 bits: its clock goes from 7fffffff to 0 after 24.8 days

# ms. A longer step forward is a fault: who is silent for limits.publisher_silence_s (20) is closed,
# so no honest silence is longer. Shorter ones stay, or a stream of few pictures would be falsified.
GAP_MS: Final = 30_000
CLAMP_MS: Final = 1_000  # a step back up to here is disorder, beyond it the clock was started again
APART_MS: Final = 10_000  # audio and video are sent at most seconds apart; beyond it clocks differ
APART_CONFIRM_MS: Final = 2_000  # of progress of both tracks, before one that lags is pulled up
NEGATIVE_MS: Final = 10_000  # a first timestamp this close below 2**32 is a negative one
STEP_MS: Final = 20  # from the newest timestamp sent to the first after a repair: about one frame
REVIEW_MS: Final = 2_000  # how often a track is looked at more closely
# A track that ended long ago is taken along, or it would seem to be ahead after 24.8 days.
STALE_MS: Final = 1 << 30


class Repair(StrEnum):
    """Why a timestamp was changed."""

    BACKWARD_STEP = "backward_step"  # up to 1 s back: clamped; counted for each message
    BACKWARD_JUMP = "backward_jump"  # the clock was started again
    FORWARD_JUMP = "forward_jump"
    WRAP_31 = "wrap_31"
    APART = "apart"  # audio and video ran on different clocks
    NEGATIVE = "negative"  # the first timestamps were below 0


class _Track:
    """Where audio or video stands."""

    __slots__ = ("apart_from", "has_sent", "is_begun", "last", "limit", "offset", "previous")

    def __init__(self) -> None:
        self.last = 0  # timestamp received that belongs to the newest one sent
        self.limit = -1  # up to here a timestamp passes without review; -1: review the next
        self.offset = 0  # sent = received + offset, modulo 2**32
        self.previous = 0  # the offset before: a single stray message returns to it
        self.is_begun = False  # something was sent since the last restart
        self.has_sent = False
        self.apart_from: tuple[int, int] | None = None  # (own, other's) sent when found apart

    @property
    def sent(self) -> int:
        return (self.last + self.offset) & MASK

    def after(self, timestamp: int, offset: int) -> int:
        """By how many ms `timestamp` would be sent after the newest one sent."""
        return _signed(timestamp + offset - self.last - self.offset)


class Timeline:
    """Maps the timestamps of a stream's publishers to those of the stream.

    What is sent never goes back within the lowest track of a kind, in the sense of serial numbers
    of 32 bits.

    Attributes:
        repairs: How often each fault was repaired since the stream began.
    """

    def __init__(self, gap_ms: int = GAP_MS) -> None:
        """Start a timeline at the first timestamp that comes.

        Args:
            gap_ms: Longest step forward that is kept as it is; longer than any silence a publisher
                survives, or real silences are cut.
        """
        self.repairs: Final = dict.fromkeys(Repair, 0)
        self._gap_ms: Final = gap_ms
        self._audio: Final = _Track()
        self._video: Final = _Track()
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
            return (timestamp + track.offset) & MASK
        return self._review(track, self._audio if kind is VIDEO else self._video, timestamp)

    def map_beside(self, kind: TagKind, timestamp: int) -> int:
        """Give the timestamp for a message of another track than the lowest of its kind."""
        track = self._video if kind is VIDEO else self._audio
        newest = self._newest()
        if newest is None or not track.is_begun:
            return self.map(kind, timestamp)
        sent = (timestamp + track.offset) & MASK
        ahead = _signed(sent - newest)
        if ahead > APART_MS:  # the lowest track is over
            return self.map(kind, timestamp)
        if ahead < -APART_MS:
            self.repairs[Repair.APART] += 1
            return newest
        return sent

    def restart(self) -> None:
        """Expect a publisher, the first or the next; its clock is unrelated to the last one's.

        Its first timestamp is sent just after the newest one sent; all tracks move by one offset.
        """
        for track in (self._audio, self._video):
            track.is_begun = False
            track.limit = -1
            track.apart_from = None

    def _review(self, track: _Track, other: _Track, timestamp: int) -> int:
        if not track.is_begun:
            return self._begin(track, other, timestamp)
        step = _signed(timestamp - track.last)
        if 0 <= step <= self._gap_ms:
            self._send(track, other, timestamp, track.offset)
            self._keep_together(track, other)
            return track.sent
        if -CLAMP_MS <= step < 0:
            self.repairs[Repair.BACKWARD_STEP] += 1
            return track.sent
        return self._jump(track, other, timestamp, step)

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

    def _jump(self, track: _Track, other: _Track, timestamp: int, step: int) -> int:
        step_31 = _signed(step + HALF)
        if -CLAMP_MS <= step_31 < 0:  # a late message from before a wrap at 31 bits
            self.repairs[Repair.BACKWARD_STEP] += 1
            return track.sent
        if 0 <= step_31 <= self._gap_ms:
            offset = (track.offset + HALF) & MASK
            if not (other.is_begun and other.offset == offset):
                self.repairs[Repair.WRAP_31] += 1
            return self._send(track, other, timestamp, offset)
        newest = self._newest() or 0
        # Its own: this track was silent alone. The other's: that one has jumped before, or this is
        # back from a stray message. The previous: likewise, in a stream of one track.
        for offset in (track.offset, other.offset, track.previous):
            is_ahead = _signed(timestamp + offset - newest) > APART_MS
            if track.after(timestamp, offset) >= -CLAMP_MS and not is_ahead:
                return self._send(track, other, timestamp, offset)
        self.repairs[Repair.BACKWARD_JUMP if step < 0 else Repair.FORWARD_JUMP] += 1
        return self._send(track, other, timestamp, newest + STEP_MS - timestamp)

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
        track.limit = timestamp + REVIEW_MS
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


def _signed(difference: int) -> int:
    """Difference of two timestamps, modulo 2**32, as -2**31 to 2**31 - 1."""
    return ((difference + HALF) & MASK) - HALF
